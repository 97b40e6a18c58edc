// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension ConfigurationReader {
    /// Where PowerDNS's remote backend asks.
    mutating func readPowerDNS(_ value: Value) {
        guard let options = value.mapping(allowed: ["socket", "group", "maximum-connections"]),
            let socket = options.require("socket"), let path = socket.text("a path")
        else { return }
        self.checkSocketPath(path, socket)
        var result = Configuration.PowerDNSOptions(socket: self.document.resolve(path))
        if case .path(result.socket) = self.result.listen.socket {
            socket.complain("\(path) is the console's socket")
        }
        if let group = options["group"] {
            self.socketGroups.append(group)
            result.group = group.text("a group's name")
        }
        if let count = options["maximum-connections"]?.integer(1...4096) {
            result.maximumConnections = count
        }
        self.result.powerDNS = result
    }
}

extension Configuration.PowerDNSOptions {
    /// What `martlet check` and a reload say of it.
    static func words(_ options: Self?) -> String {
        guard let options else { return "none" }
        var words = options.socket
        if let group = options.group { words += ", group \(group)" }
        if options.maximumConnections != Self(socket: "").maximumConnections {
            words += ", at most \(options.maximumConnections) connections"
        }
        return words
    }
}
