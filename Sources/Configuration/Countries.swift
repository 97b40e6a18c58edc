// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Which country codes there are.
enum Countries {
    static func contains(_ code: String) -> Bool {
        code.utf8.count == 2 && code.utf8.allSatisfy { (0x41...0x5a).contains($0) }
    }

    static func hint(_ code: String) -> String {
        let capitals = code.uppercased()
        return code != capitals && Self.contains(capitals) ? "; did you mean '\(capitals)'?" : ""
    }
}
