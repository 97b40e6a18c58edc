// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
public import BGPSession
public import BGPSpeaker
public import BGPWire
public import Choice
public import DNSWire
public import FeedRules
public import OriginValidation
public import RouteTable

/// What the file says, checked, with all defaults filled in.
///
/// Paths are resolved: relative ones start at the file's own folder. Sites, feeds and zones stand
/// in the file's order, which decides where nothing else does.
public struct Configuration: Hashable, Sendable {
    /// The file, as it was named.
    public var file: String
    public var router: Router?
    public var listen = Listen()
    public var console = ConsoleOptions()
    public var sites: [SiteEntry] = []
    public var feeds: [FeedEntry] = []
    /// Route maps: of equal prefixes the later file's wins.
    public var maps: [String] = []
    /// Files of address ranges and countries.
    public var locationRanges: [String] = []
    /// What feeds keep that don't say it themselves.
    public var kept = KeptAttributes.path
    /// A MaxMind database, which counts where the ranges say nothing.
    public var locationDatabase: String?
    /// What the table may hold.
    public var limits = TableLimits()
    public var roundTrips = RoundTripOptions()
    public var zones: [ZoneEntry] = []
    /// How sites are chosen where a name doesn't say.
    public var choice = ChoiceOptions()
    public var dns = DNSOptions()
    /// Where PowerDNS asks for records; nil: nowhere.
    public var powerDNS: PowerDNSOptions?
    /// What is the matter with certificates, at the time of reading.
    public var certificateConcerns: [String] = []
    public var logLevel = LogLevel.info
    /// Where the table is kept over a restart; nil where it isn't.
    public var checkpoint: CheckpointOptions?
    /// When what feeds lose is not believed, where a feed doesn't say; nil: all is.
    public var guardRules: FeedGuardRules? = FeedGuardRules()
    /// When prefixes that flip keep what is shown of them; nil: never.
    public var flipHold: FlipHoldRules?
    /// Where validated payloads come from, and what becomes of invalid routes; nil: routes are not
    /// validated.
    public var rpki: RPKIOptions?
    /// How long feeds may take before Martlet is ready without them.
    public var readyWait = Duration.seconds(60)

    public init(file: String) { self.file = file }

    /// What Martlet is to its BGP peers.
    public struct Router: Hashable, Sendable {
        public var asNumber: ASNumber
        /// The BGP identifier, as an IPv4 address.
        public var identifier: IPAddress
    }

    /// An address and a port.
    public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
        public var address: IPAddress
        public var port: UInt16

        public init(address: IPAddress, port: UInt16) {
            self.address = address
            self.port = port
        }

        public var description: String {
            self.address.family == .ipv4
                ? "\(self.address):\(self.port)" : "[\(self.address)]:\(self.port)"
        }
    }

    public enum ConsoleFace: String, Hashable, Sendable, CaseIterable {
        case people, machine
    }

    public struct ConsoleListener: Hashable, Sendable {
        public var endpoint: Endpoint
        public var face: ConsoleFace
    }

    public enum Socket: Hashable, Sendable {
        /// The usual place: it depends on who runs Martlet.
        case usual
        case path(String)
        case none
    }

    public struct Listen: Hashable, Sendable {
        public var bgp: [Endpoint] = []
        /// Routers that monitor their peers connect here.
        public var bmp: [Endpoint] = []
        public var console: [ConsoleListener] = []
        public var socket = Socket.usual
        public var dns: [DNSListenEntry] = []
    }

    public struct ConsoleOptions: Hashable, Sendable {
        public var passwordFile: String?
        public var enablePasswordFile: String?
        /// The group that may open the socket.
        public var socketGroup: String?
        public var idleTimeout = Duration.seconds(600)
        public var maximumConnections = 64
        public var maximumLine = 1024
        /// The files' contents: read when the configuration is loaded.
        public var password: String?
        public var enablePassword: String?
    }

    public enum Location: Hashable, Sendable {
        /// A country by its two letters (ISO 3166-1).
        case country(String)
        case coordinates(latitude: Double, longitude: Double)
    }

    public struct SiteEntry: Hashable, Sendable {
        public var name: String
        public var asNumber: ASNumber
        public var addresses: [IPAddress] = []
        public var weight = 1
        public var location: Location?
        public var withoutRoutes = WithoutRoutes.last
        /// What names of aliases lead to.
        public var alias: DomainName?
        /// What names of a service have in place of the site's own addresses and alias.
        public var services: [String: ServiceEntry] = [:]

        /// The addresses for a service; the site's own for none.
        public func addresses(of service: String?) -> [IPAddress] {
            service.map { self.services[$0]?.addresses ?? [] } ?? self.addresses
        }
    }

    /// What a site has for a service, such as `web` or `mail`.
    public struct ServiceEntry: Hashable, Sendable {
        public var addresses: [IPAddress] = []
        public var alias: DomainName?
    }

    public struct BGPSource: Hashable, Sendable {
        /// The peer's address; of a range the first.
        public var peer: IPAddress
        /// Any neighbour with an address in it is a feed of its own.
        public var range: IPPrefix?
        /// How many of them there may be at once.
        public var maximumPeers = 1
        public var port: UInt16 = 179
        public var peerAS: ASNumber
        /// Martlet's own AS towards this peer, where it isn't the router's.
        public var localAS: ASNumber?
        public var localAddress: IPAddress?
        public var connect = ConnectMode.both
        /// Seconds; 0 is none.
        public var holdTime = 90
        /// Without End-of-RIB a first transfer is complete after so long without routes.
        public var quietTime = Duration.seconds(10)
        /// The first wait before another try to connect, and the longest.
        public var connectRetry = Duration.seconds(5)
        public var maximumConnectRetry = Duration.seconds(120)
        public var families = FamilySet.both
        public var reach = Reach.usual
        /// The file that the key of TCP MD5 is read from, when the configuration is loaded.
        public var passwordFile: String?
        public var tcpAO: TCPAOEntry?
        /// How segments are signed, once the key is known.
        public var authentication: Authentication?
        public var options = SessionOptions()
    }

    /// A master key tuple of TCP-AO, whose key is in a file.
    public struct TCPAOEntry: Hashable, Sendable {
        public var keyFile: String
        public var algorithm = Authentication.Algorithm.hmacSHA1
        public var sendID: UInt8
        public var receiveID: UInt8
    }

    /// A router, or all of a range, that monitors its peers for us (RFC 7854).
    public struct BMPSource: Hashable, Sendable {
        /// Who may connect.
        public var router: IPPrefix
        /// Where in the router routes are looked at.
        public var view = BMPPeerHeader.View.pre
        /// Of a range.
        public var maximumRouters = 1
        /// Monitored peers that are told apart.
        public var maximumPeers = 1000
        /// A first transfer is complete after so long without routes.
        public var quietTime = Duration.seconds(10)

        public init(router: IPPrefix) { self.router = router }

        public var isRange: Bool { self.router.length < self.router.family.width }
    }

    public struct MRTSource: Hashable, Sendable {
        public var file: String
        public var peer: IPAddress?
        public var peerAS: ASNumber?
    }

    /// What a router prints for `show ip bgp`.
    public struct TextSource: Hashable, Sendable {
        public var file: String
        /// Whose paths are read: by their next hop, or their first AS. Of neither: those that the
        /// router uses.
        public var peer: IPAddress?
        public var peerAS: ASNumber?
        /// Lines that can't be read are left out; else they make the file a bad one.
        public var skipsBadLines = false
    }

    public enum Source: Hashable, Sendable {
        case bgp(BGPSource)
        case bmp(BMPSource)
        case mrt(MRTSource)
        case text(TextSource)
    }

    public struct FeedEntry: Hashable, Sendable {
        public var name: String
        public var site: String
        public var source: Source
        /// Supersparrow's reading: sites stand on the paths by their AS numbers.
        public var readsThroughSites = false
        /// How long routes are kept after the session is lost.
        public var staleTime = Duration.seconds(180)
        /// What is kept of the routes' attributes.
        public var kept = KeptAttributes.path
        /// Which of its routes count, and how.
        public var rules = RuleSet()
        /// When what it loses is not believed; nil: all is. A dump loses nothing.
        public var guardRules: FeedGuardRules?
        /// How many prefixes a session may bring; nil: as many as the table takes.
        public var limits: PrefixLimits?
        /// Where what its sessions send is recorded; nil: nowhere.
        public var dump: DumpSettings?

        /// How many feeds of the table it may be at once.
        public var slotCount: Int {
            switch self.source {
            case .bgp(let bgp): bgp.range == nil ? 0 : bgp.maximumPeers
            case .bmp(let bmp): bmp.isRange ? bmp.maximumRouters : 0
            case .mrt, .text: 0
            }
        }
    }

    /// How sites are chosen; see ``Policy``.
    public struct ChoiceOptions: Hashable, Sendable {
        public var measure = Measure.cost
        public var slack = 0
        public var hopCost = 5.0
        public var ties: [TieBreak] = [.rtt, .location, .weight, .order]
        public var allDown = AllDown.all
        public var weightLengthIPv4 = 24
        public var weightLengthIPv6 = 48
    }

    /// Measured round trips.
    public struct RoundTripOptions: Hashable, Sendable {
        /// Lines of `prefix,site,milliseconds`.
        public var files: [String] = []
        /// What a new observation counts for in the average.
        public var weight = 0.25
        /// An average without an observation for so long is forgotten.
        public var expiry = Duration.seconds(86_400)
    }

    /// The socket of PowerDNS's remote backend.
    public struct PowerDNSOptions: Hashable, Sendable {
        public var socket: String
        /// The group that may open it; nil: the daemon's own.
        public var group: String?
        public var maximumConnections = 64
    }

    /// The table's file.
    public struct CheckpointOptions: Hashable, Sendable {
        public var file: String
        /// How often it is written while Martlet runs; zero: at the end and on demand alone.
        public var every = Duration.seconds(900)
    }

    /// What becomes of routes that origin validation finds invalid.
    public enum InvalidRoutes: String, Hashable, Sendable, CaseIterable {
        /// They are held and shown, but give no distance.
        case ignore
        /// They count as others do, unless a rule says otherwise.
        case accept
    }

    /// Origin validation (RFC 6811).
    public struct RPKIOptions: Hashable, Sendable {
        /// The usual port (RFC 8210 §14).
        public static let port: UInt16 = 323

        /// In order of preference.
        public var caches: [RTRCache] = []
        public var invalid = InvalidRoutes.ignore
        /// In place of what the caches say.
        public var refresh: Duration?
        public var retry: Duration?
        public var expire: Duration?
        /// Payloads that a cache may have.
        public var maximumPayloads = RTRSettings().maximumPayloads

        init() {}
    }

    public enum LogLevel: String, Hashable, Sendable, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
    }
}
