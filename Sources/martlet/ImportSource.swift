// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import ArgumentParser
import BGPSpeaker

/// A site's table on the command line: `sydney=64600:rib.bz2,203.62.252.186`.
struct ImportSource: ExpressibleByArgument, Hashable {
    var name: String?
    /// Stands for the site.
    var asNumber: ASNumber
    var file: String
    /// Whose routes of the file are the site's.
    var selector = PeerSelector()

    /// The AS number ends at the first colon, and a name before it at the first `=`. Of what
    /// stands behind commas at the end, what is no address or AS number belongs to the file's name.
    init?(argument: String) {
        guard let colon = argument.firstIndex(of: ":") else { return nil }
        var number = argument[..<colon]
        if let equals = number.firstIndex(of: "=") {
            let name = number[..<equals]
            guard !name.isEmpty, !name.contains(where: \.isWhitespace) else { return nil }
            self.name = String(name)
            number = number[number.index(after: equals)...]
        }
        if number.uppercased().hasPrefix("AS") { number = number.dropFirst(2) }
        guard let asNumber = try? ASNumber(parsing: number), asNumber != 0 else { return nil }
        self.asNumber = asNumber
        var file = argument[argument.index(after: colon)...]
        while let comma = file.lastIndex(of: ","),
            let peer = PeerArgument(argument: String(file[file.index(after: comma)...]))
        {
            if let address = peer.selector.address, self.selector.address == nil {
                self.selector.address = address
            } else if let number = peer.selector.asNumber, self.selector.asNumber == nil {
                self.selector.asNumber = number
            } else {
                return nil
            }
            file = file[..<comma]
        }
        guard !file.isEmpty else { return nil }
        self.file = String(file)
    }

    var words: String {
        let peer: String =
            switch (self.selector.address, self.selector.asNumber) {
            case (nil, nil): ""
            case (let address?, nil): ", peer \(address)"
            case (nil, let number?): ", peer AS \(number)"
            case (let address?, let number?): ", peer \(address) AS \(number)"
            }
        return "AS \(self.asNumber)\(self.name.map { " " + $0 } ?? ""): \(self.file)\(peer)"
    }
}
