// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What `--version` and `show version` say.
enum ProductVersion {
    static let text = "0.1.0"
}
