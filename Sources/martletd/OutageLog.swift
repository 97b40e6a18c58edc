// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import DNSWire
import Logging

extension Outages.Changes {
    /// A line for what went down and one for what is up again, however many names: no more lines than
    /// the feeds have that made the sites do so.
    func log(to logger: Logger) {
        if !self.down.isEmpty {
            logger.warning("all sites of names are down", metadata: Self.metadata(self.down))
        }
        if !self.up.isEmpty {
            logger.notice("names have a site that is up again", metadata: Self.metadata(self.up))
        }
    }

    private static func metadata(_ names: [DomainName]) -> Logger.Metadata {
        var words = names.prefix(8).map(\.description)
        if names.count > words.count { words.append("and \(names.count - words.count) more") }
        return ["names": "\(words.joined(separator: " "))"]
    }
}
