// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteFiles

/// Which country codes there are.
enum Countries {
    static func contains(_ code: String) -> Bool {
        code.utf8.count == 2 && code == code.uppercased() && CountryCentres.place(code) != nil
    }

    /// Codes are two capitals: `au` is meant to be `AU`.
    static func hint(_ code: String) -> String {
        let capitals = code.uppercased()
        return code != capitals && Self.contains(capitals) ? "; did you mean '\(capitals)'?" : ""
    }
}
