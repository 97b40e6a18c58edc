// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront
import FeedRules

/// Turns a document into a Configuration, complaining of what is wrong on the way.
struct ConfigurationReader {
    /// A file that the configuration names.
    struct NamedFile {
        var value: Value
        var path: String
        var isSecret: Bool
    }

    /// The files of a certificate, and where they are named.
    struct NamedCertificate {
        var value: Value
        var certificate: Value
        var key: Value
        var files: TLSFiles
    }

    let document: Document
    var result: Configuration
    var files: [NamedFile] = []
    var pendingZones: [PendingZone] = []
    /// The groups that are to be looked up.
    var socketGroups: [Value] = []
    /// The file that is to be written.
    var checkpointFile: Value?
    var certificates: [NamedCertificate] = []
    /// The file that cookies' secrets stand in.
    var cookieFile: Value?
    /// The file that decisions are to be written to.
    var decisionFile: Value?
    /// The first that wants TCP-AO.
    var tcpAO: Value?

    /// Whether files that lists stand in are looked at.
    var readsFiles = false
    /// What feeds can name, and what holds for those that don't say.
    var prefixLists: [String: PrefixList] = [:]
    var ruleLists: [String: [Rule]] = [:]
    var usualOptions = FeedOptions()

    /// What is told apart by name or number, and where it was said first.
    var siteLines: [String: Int] = [:]

    init(document: Document) {
        self.document = document
        self.result = Configuration(file: document.file)
    }

    static let keys = [
        "router", "listen", "console", "sites", "feeds", "maps", "location", "round-trips",
        "zones", "choice", "dns", "guard", "log", "ready", "checkpoint", "limits",
        "keep", "rpki", "prefix-lists", "rules", "feed-options", "flip-hold", "powerdns",
    ]

    mutating func read(_ root: Value) {
        guard let top = root.mapping(allowed: Self.keys) else { return }
        if let value = top["router"] { self.readRouter(value) }
        if let value = top["listen"] { self.readListen(value) }
        if let value = top["console"] { self.readConsole(value) }
        if let value = top["choice"] { self.readChoice(value) }
        if let value = top["guard"] {
            self.result.guardRules = self.guardRules(value, default: self.result.guardRules)
        }
        if let value = top["flip-hold"] { self.result.flipHold = self.flipHold(value) }
        if let value = top.require("sites") { self.readSites(value) }
        if let kept = top["keep"].flatMap(Self.kept) { self.result.kept = kept }
        if let value = top["prefix-lists"] { self.readPrefixLists(value) }
        if let value = top["rules"] { self.readRuleLists(value) }
        if let value = top["feed-options"], let options = value.mapping(allowed: Self.optionKeys) {
            self.usualOptions = self.feedOptions(options, default: self.usualOptions)
        }
        if let value = top["rpki"] { self.readRPKI(value) }
        if let value = top["feeds"] { self.readFeeds(value, in: top) }
        if let value = top["maps"] {
            self.result.maps = value.elements("each of maps").compactMap { self.file($0) }
        }
        if let value = top["location"] { self.readLocation(value) }
        if let value = top["round-trips"] { self.readRoundTrips(value) }
        if let value = top["zones"] { self.readZones(value) }
        if let value = top["limits"] { self.readLimits(value) }
        if let value = top["dns"] { self.readDNS(value) }
        if let value = top["powerdns"] { self.readPowerDNS(value) }
        if let value = top["checkpoint"] { self.readCheckpoint(value) }
        if let log = top["log"]?.mapping(allowed: ["level"]), let level = log["level"] {
            level.choice(of: Configuration.LogLevel.self).map { self.result.logLevel = $0 }
        }
        if let ready = top["ready"]?.mapping(allowed: ["wait"]), let wait = ready["wait"] {
            wait.duration(.zero ... .seconds(86400)).map { self.result.readyWait = $0 }
        }
    }

    private mutating func readCheckpoint(_ value: Value) {
        guard let checkpoint = value.mapping(allowed: ["file", "every"]) else { return }
        let every = checkpoint["every"]?.duration(.zero ... .seconds(604_800))
        guard let file = checkpoint.require("file"), let path = file.text("a file's path") else {
            return
        }
        var options = Configuration.CheckpointOptions(file: self.document.resolve(path))
        if let every { options.every = every }
        self.result.checkpoint = options
        self.checkpointFile = file
    }

    /// A path, resolved and noted.
    mutating func file(_ value: Value, isSecret: Bool = false) -> String? {
        guard let path = value.text("a file's path") else { return nil }
        let resolved = self.document.resolve(path)
        self.files.append(NamedFile(value: value, path: resolved, isSecret: isSecret))
        return resolved
    }

    /// `sun_path` has 108 bytes, the last of them 0.
    func checkSocketPath(_ path: String, _ value: Value) {
        if self.document.resolve(path).utf8.count > 107 {
            value.complain("socket is too long: a socket's path has at most 107 bytes")
        }
    }

    private mutating func readRouter(_ value: Value) {
        guard let router = value.mapping(allowed: ["as", "id"]) else { return }
        let number = router.require("as")?.asNumber()
        let identifier = router.require("id")?.address(.ipv4)
        if let identifier, identifier.ipv4Value == 0 {
            router["id"]?.mustBe("an IPv4 address other than 0.0.0.0")
        }
        if let number, let identifier {
            self.result.router = Configuration.Router(asNumber: number, identifier: identifier)
        }
    }

    private mutating func readListen(_ value: Value) {
        guard let listen = value.mapping(allowed: ["bgp", "bmp", "console", "socket", "dns"]) else {
            return
        }
        var lines: [String: Int] = [:]
        func note(_ endpoint: Configuration.Endpoint, _ kind: String, _ value: Value) {
            let line = value.position.line
            guard endpoint.port != 0 else { return }
            if let first = lines.updateValue(line, forKey: "\(kind) \(endpoint)") {
                value.complain("\(endpoint) is listened on twice: first on line \(first)")
            }
        }
        for element in listen["bgp"]?.elements("each of bgp") ?? [] {
            guard let endpoint = element.endpoint() else { continue }
            note(endpoint, "tcp", element)
            self.result.listen.bgp.append(endpoint)
        }
        for element in listen["bmp"]?.elements("each of bmp") ?? [] {
            guard let endpoint = element.endpoint() else { continue }
            note(endpoint, "tcp", element)
            self.result.listen.bmp.append(endpoint)
        }
        if let dns = listen["dns"] {
            for element in dns.elements("each of dns") {
                guard let entry = self.dnsListener(element) else { continue }
                note(entry.endpoint, "tcp", element)
                self.result.listen.dns.append(entry)
            }
        }
        for element in listen["console"]?.elements("each of console") ?? [] {
            var face = Configuration.ConsoleFace.people
            var address = element
            if element.isMapping {
                guard
                    let mapping = element.named("a console listener")
                        .mapping(allowed: ["address", "face"]),
                    let given = mapping.require("address")
                else { continue }
                address = given
                if let value = mapping["face"] {
                    face = value.choice(of: Configuration.ConsoleFace.self) ?? face
                }
            }
            guard let endpoint = address.endpoint() else { continue }
            note(endpoint, "tcp", address)
            self.result.listen.console.append(
                Configuration.ConsoleListener(endpoint: endpoint, face: face))
        }
        if let socket = listen["socket"], let path = socket.text("a path, or none") {
            self.result.listen.socket =
                path == "none" ? .none : .path(self.document.resolve(path))
            self.checkSocketPath(path, socket)
        }
    }

    private mutating func readConsole(_ value: Value) {
        let keys = [
            "password-file", "enable-password-file", "socket-group", "idle-timeout",
            "maximum-connections", "maximum-line",
        ]
        guard let console = value.mapping(allowed: keys) else { return }
        if let file = console["password-file"] {
            self.result.console.passwordFile = self.file(file, isSecret: true)
        }
        if let file = console["enable-password-file"] {
            self.result.console.enablePasswordFile = self.file(file, isSecret: true)
        }
        if let group = console["socket-group"] { self.socketGroups.append(group) }
        self.result.console.socketGroup = console["socket-group"]?.text("a group's name")
        if let value = console["idle-timeout"]?.duration(.seconds(1) ... .seconds(604_800)) {
            self.result.console.idleTimeout = value
        }
        if let value = console["maximum-connections"]?.integer(1...65535) {
            self.result.console.maximumConnections = value
        }
        if let value = console["maximum-line"]?.integer(128...65536) {
            self.result.console.maximumLine = value
        }
    }

    private mutating func readLocation(_ value: Value) {
        guard let location = value.mapping(allowed: ["ranges", "database"]) else { return }
        if let database = location["database"] {
            self.result.locationDatabase = self.file(database)
        }
        if let ranges = location["ranges"] {
            self.result.locationRanges = ranges.elements("each of ranges").compactMap {
                self.file($0)
            }
        }
    }

    private mutating func readRoundTrips(_ value: Value) {
        guard let options = value.mapping(allowed: ["files", "weight", "expire"]) else { return }
        if let files = options["files"] {
            self.result.roundTrips.files = files.elements("each of files").compactMap {
                self.file($0)
            }
        }
        if let weight = options["weight"]?.number(0.01...1) {
            self.result.roundTrips.weight = weight
        }
        if let expiry = options["expire"]?.duration(.seconds(10) ... .seconds(31_536_000)) {
            self.result.roundTrips.expiry = expiry
        }
    }
}
