// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import CLinux
import Choice
import Configuration
import Console
import DNSFront
import DNSWire
import FeedRules
import Glibc
import Logging
import NIOCore
import NIOPosix
import RouteTable
import ServiceLifecycle
import Synchronization
import UnixSignals

/// The rooms, wired: feeds to the table, the table to the fronts, and the configuration to all.
final class Daemon: Sendable {
    let logger: Logger
    let owner: TableOwner
    let oracle: Oracle
    /// Widens the scopes of answers behind changes of the table and of the sites' state.
    private let scopes: ScopeKeeper
    let zones = ZoneStore()
    let readiness = DNSReadiness()
    let board: FeedBoard
    let speaker: BGPSpeaker
    let station: BMPStation
    let dns: DNSServer
    let siteLedger = SiteLedger()
    let powerDNS: PowerDNSService?
    let checkpoints: CheckpointKeeper
    /// Opens when all routes of the table that the daemon began with are back.
    let isRestored = Gate()
    /// Whether the table began as the one of the process that is to be replaced.
    let hasInheritedTable: Bool
    let dumps: DumpKeeper
    let origins: OriginService
    let started: Int64
    let succession: Succession
    /// The file that holds this process's number.
    let pidFile: PidFile?
    /// The services, once they run.
    let group = Mutex<ServiceGroup?>(nil)
    /// A new process was started, and has not taken over yet.
    let isReplacing = Atomic(false)
    /// The last process that has said why it doesn't take over.
    let givenUp = Mutex<(process: pid_t, reasons: [String])?>(nil)
    /// What is done once this process has taken another's place.
    private let inChargeBox = Mutex<(@Sendable () -> Void)?>(nil)
    /// Who the daemon runs as once its ports are open; nil where that doesn't change.
    private let socketOwner: (user: uid_t, group: gid_t)?
    /// Files are read here, off everybody's event loop.
    let files = NIOThreadPool(numberOfThreads: 1)
    let running: Mutex<Running>
    private let bgpGroup: MultiThreadedEventLoopGroup
    private let bmpGroup: MultiThreadedEventLoopGroup
    private let handover = Mutex<HandoverService?>(nil)
    private let consoleBox = Mutex<ConsoleServer?>(nil)
    private let restoredBox = Mutex(Restored())

    /// What is in force.
    struct Running: Sendable {
        var configuration: Configuration
        var plan: Plan
        var text: String
        /// The files as they were when they were read.
        var stamps: [String: FileStamp] = [:]
        var isReloading = false
        /// What is under way is no reload, but another process's taking over.
        var isHandingOver = false
        /// What is under way is the reading of location files that have changed.
        var isReadingLocations = false
    }

    /// Prepares everything that the configuration asks for, and reads route maps and locations.
    ///
    /// - Parameters:
    ///   - configuration: What to run.
    ///   - socketOwner: The user and group that the daemon will run as.
    ///   - pidFile: Its file, whose number is written once it is in charge.
    ///   - estate: What it has from the process that it is to replace.
    /// - Throws: ``StartFailure`` where a file is bad; nothing has been bound then.
    ///   `TableResourceError` where the system has no room for the table.
    init(
        configuration: Configuration, socketOwner: (user: uid_t, group: gid_t)?,
        pidFile: PidFile? = nil, after estate: Estate? = nil
    ) throws {
        let plan = Self.plan(configuration, after: Assignment(), socketOwner: socketOwner)
        let logger = Logger(label: "martletd")
        self.logger = logger
        try ThreadStarter.start()
        self.bgpGroup = .givingWay()
        self.bmpGroup = .givingWay()
        self.owner = try TableOwner(limits: plan.limits)
        self.oracle = Oracle(
            lookup: self.owner.lookup, world: World(sites: plan.sites, policies: plan.policies))
        self.scopes = try ScopeKeeper(owner: self.owner, oracle: self.oracle)
        let now: @Sendable () -> Int64 = { TableOwner.systemTime() }
        self.started = now()
        self.succession = Succession(after: estate?.predecessor)
        self.pidFile = pidFile
        self.hasInheritedTable = estate?.table != nil
        self.socketOwner = socketOwner
        let outages = Outages(oracle: self.oracle, zones: self.zones)
        let board = FeedBoard(oracle: self.oracle, now: now) {
            outages.look().log(to: logger)
        }
        self.board = board
        let validator = OriginValidator()
        self.speaker = BGPSpeaker(
            settings: plan.speaker, group: self.bgpGroup, owner: self.owner, validator: validator,
            logger: Logger(label: "bgp"),
            listener: FeedListener(board: board), now: now)
        self.station = BMPStation(
            settings: plan.bmp, group: self.bmpGroup, owner: self.owner, validator: validator,
            logger: Logger(label: "bmp"), listener: FeedListener(board: board), now: now)
        self.dumps = DumpKeeper(speaker: self.speaker, logger: Logger(label: "dump"))
        self.dns = DNSServer(
            oracle: self.oracle, zones: self.zones, settings: plan.dns, readiness: self.readiness,
            cookieSeed: estate?.sockets.cookieSeed ?? .random(), logger: Logger(label: "dns"))
        self.powerDNS =
            if let settings = plan.powerDNS {
                try PowerDNSService(
                    settings, oracle: self.oracle, zones: self.zones, readiness: self.readiness)
            } else {
                nil
            }
        self.checkpoints = CheckpointKeeper(
            plan.checkpoint, owner: self.owner, logger: Logger(label: "checkpoint"), now: now)
        self.origins = OriginService(
            plan: plan, validator: validator, owner: self.owner, speaker: self.speaker,
            station: self.station, logger: Logger(label: "rpki"), now: now)
        self.running = Mutex(
            Running(
                configuration: configuration, plan: plan,
                text: Self.text(of: configuration.file)))
        let layers = try StaticLayers.read(plan)
        for warning in layers.warnings { logger.warning("\(warning)") }
        layers.log(to: logger)
        self.log(zonesOf: configuration)
        do {
            try self.zones.replace(plan.zones)
        } catch {
            throw StartFailure(
                lines: ["\(configuration.file): \(error)"],
                status: StartFailure.badConfiguration)
        }
        self.define(plan)
        layers.submit(to: self.owner)
        let restored =
            if let table = estate?.table {
                try self.checkpoints.beginRestore(from: table, plan)
            } else {
                self.checkpoints.beginRestore(plan)
            }
        self.restoredBox.withLock { $0 = restored }
        for feed in restored.feeds { board.set(feed, liveness: .stale) }
        board.hasCheckpoint = restored.isAnswering
        self.running.withLock { $0.stamps = layers.stamps }
        let console = try ConsoleServer(
            backend: ConsoleBridge(self), settings: plan.console,
            logger: Logger(label: "console"))
        self.consoleBox.withLock { $0 = console }
    }

    /// Has something done once this process has taken another's place.
    func whenInCharge(_ body: @escaping @Sendable () -> Void) {
        self.inChargeBox.withLock { $0 = body }
    }

    func tellInCharge() { self.inChargeBox.withLock { $0.take() }?() }

    var console: ConsoleServer? { self.consoleBox.withLock { $0 } }
    /// Feeds that began with the routes of a checkpoint.
    var restoredFeeds: [FeedID] { self.restored.feeds }
    private var restored: Restored { self.restoredBox.withLock { $0 } }

    /// The folder of root's console socket; a service manager may have made it already.
    private static let socketFolder = "/run/martlet"

    /// What is to run. The console's socket is in root's own folder or the user's, and belongs to
    /// the group that the daemon runs as, unless the configuration says otherwise.
    func plan(
        _ configuration: Configuration, after assignment: Assignment,
        judges: [FeedID: RouteJudge]
    ) -> Plan {
        Self.plan(
            configuration, after: assignment, judges: judges, socketOwner: self.socketOwner)
    }

    /// Where the console's socket of a daemon with this configuration is; nil where it has none.
    static func consoleSocket(
        of configuration: Configuration, socketOwner: (user: uid_t, group: gid_t)?
    ) -> String? {
        Self.plan(configuration, after: Assignment(), socketOwner: socketOwner).console.socketPath
    }

    private static func plan(
        _ configuration: Configuration, after assignment: Assignment,
        judges: [FeedID: RouteJudge] = [:], socketOwner: (user: uid_t, group: gid_t)?
    ) -> Plan {
        let usual: String? =
            if geteuid() == 0 || socketOwner != nil {
                self.socketFolder + "/console.sock"
            } else if let folder = getenv("RUNTIME_DIRECTORY") {
                // A service manager that starts the daemon as its user has made the folder.
                String(cString: folder) + "/console.sock"
            } else {
                getenv("XDG_RUNTIME_DIR").map { String(cString: $0) + "/martlet.sock" }
            }
        var plan = configuration.plan(
            after: assignment, judges: judges, usualSocket: usual,
            product: "martlet \(ProductVersion.text)")
        plan.console.socketGroup = plan.console.socketGroup ?? socketOwner?.group
        if let group = socketOwner?.group, plan.powerDNS?.socketGroup == nil {
            plan.powerDNS?.socketGroup = group
        }
        return plan
    }

    /// Makes the folder of root's console socket, for the user who will take the socket away.
    private func makeSocketFolder() throws {
        let plan = self.running.withLock { $0.plan }
        let paths = [plan.console.socketPath, plan.powerDNS?.socketPath].compactMap(\.self)
        guard geteuid() == 0, paths.contains(where: { $0.hasPrefix(Self.socketFolder + "/") })
        else { return }
        guard mkdir(Self.socketFolder, 0o755) == 0 || errno == EEXIST else {
            throw StartFailure(
                lines: ["\(Self.socketFolder): \(String(cString: strerror(errno)))"],
                status: StartFailure.systemError)
        }
        if let owner = self.socketOwner { _ = chown(Self.socketFolder, owner.user, owner.group) }
    }

    /// Takes all ports, or says which can't be had. What the process has open that this one is to
    /// replace serves in the place of new sockets.
    func bind(adopting inheritance: Inheritance = Inheritance()) async throws {
        DescriptorLimit.raise()
        try self.makeSocketFolder()
        let waits = self.succession.predecessor != nil
        var listening: [String] = []
        do {
            for address in try await self.speaker.bind(adopting: inheritance.bgp) {
                listening.append("bgp \(Self.text(address))")
            }
            for address in try await self.station.bind(adopting: inheritance.bmp) {
                listening.append("bmp \(Self.text(address))")
            }
            for endpoint in try self.dns.bind(adopting: inheritance.dns) {
                listening.append("dns \(endpoint)")
            }
            for address in try await self.console?.bind(
                adopting: waits ? inheritance.console : nil) ?? []
            {
                listening.append("console \(Self.text(address))")
            }
            if let powerDNS = self.powerDNS {
                try await powerDNS.bind(waits: waits, inherited: inheritance.powerDNS)
                listening.append("powerdns \(powerDNS.settings.socketPath)")
            } else if let socket = inheritance.powerDNS {
                close(socket.descriptor)
            }
            if let path = self.running.withLock({ $0.plan.console.socketPath }) {
                let service = try HandoverService(
                    self, path: path, owner: self.socketOwner?.user)
                self.handover.withLock { $0 = service }
            }
        } catch {
            throw StartFailure(lines: ["\(error)"], status: StartFailure.systemError)
        }
        let (socket, wanted) = self.running.withLock {
            ($0.plan.console.socketPath, $0.configuration.listen.socket)
        }
        if let socket {
            listening.append("console \(socket)")
        } else if wanted != .none {
            self.logger.warning(
                "no console socket: XDG_RUNTIME_DIR is not set; name a path as listen: socket")
        }
        self.logger.notice(
            "listening", metadata: ["on": "\(listening.joined(separator: ", "))"])
    }

    /// Serves until SIGTERM or SIGINT, then closes sessions with Cease and ends. Reads the configuration
    /// again at each of `hangups`.
    func run(reloadingOn hangups: UnixSignalsSequence) async throws {
        self.files.startGivingWay()
        self.checkpoints.thread.startGivingWay()
        self.checkpoints.warnOfProblem()
        // Before a session can come up.
        let restored = self.restored
        await self.speaker.restored(restored.feeds, members: restored.neighbours)
        await self.station.restored(restored.feeds, members: restored.routers)
        self.dumps.start()
        if self.succession.isInCharge.isOpen {
            await self.dumps.apply(self.running.withLock { $0.plan })
        }
        do {
            try self.scopes.start()
        } catch {
            self.logger.warning("the scopes of answers are narrower: \(error)")
        }
        var services: [any Service] = [
            FileFeedService(daemon: self), ReadinessService(daemon: self),
            ReloadService(daemon: self, hangups: hangups), RoundTripService(daemon: self),
            LocationService(daemon: self), LimitService(daemon: self),
            WatchdogService(daemon: self),
            ServiceInCharge("rpki", self.succession) { try await self.origins.run() },
            AlarmService(owner: self.owner, logger: Logger(label: "feeds")),
            DumpService(keeper: self.dumps),
            ServiceInCharge("bgp", self.succession) { try await self.speaker.run() },
            ServiceInCharge("bmp", self.succession) { try await self.station.run() },
            ClosureTask("dns") {
                await self.succession.serves.wait()
                if !Task.isCancelled { try await self.dns.run() }
            },
        ]
        if let console = self.console {
            services.append(
                ClosureTask("console") {
                    await self.succession.isInCharge.wait()
                    try await console.run()
                })
        }
        if let powerDNS = self.powerDNS {
            services.append(
                ClosureTask("powerdns") {
                    await self.succession.isInCharge.wait()
                    if !Task.isCancelled { try await powerDNS.run() }
                })
        }
        if let handover = self.handover.withLock({ $0 }) { services.append(handover) }
        services.append(CheckpointService(daemon: self))
        var configuration = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "services"))
        // A checkpoint of many full tables on a slow disk takes its time, also one that only a
        // reload has asked for.
        configuration.maximumGracefulShutdownDuration = .seconds(45)
        let group = ServiceGroup(configuration: configuration)
        self.group.withLock { $0 = group }
        try await group.run()
        self.group.withLock { $0 = nil }
        if !self.succession.hasLeft.isOpen { ServiceManager.stopping("Ending") }
        await self.dumps.close()
        self.scopes.stop()
        self.owner.shutdown()
        try? await self.files.shutdownGracefully()
        try? await self.checkpoints.thread.shutdownGracefully()
        try? await self.bgpGroup.shutdownGracefully()
        try? await self.bmpGroup.shutdownGracefully()
        self.logger.notice("ended")
    }

    /// Gives back to the system what reading files and whole tables needed for a while: tens of
    /// megabytes, which the C library would keep for the next time. Nobody waits for the thread
    /// that does it.
    func giveMemoryBack() async { try? await self.files.runIfActive { martlet_trim_memory() } }

    /// A reload reads all files as the user that the daemon runs as now.
    func warnOfUnreadableFiles() {
        do {
            _ = try Configuration.load(path: self.running.withLock { $0.configuration.file })
        } catch {
            self.logger.warning(
                "a reload would fail, since this user can't read all files",
                metadata: ["complaints": "\(error)"])
        }
    }

    private static func text(_ address: SocketAddress) -> String {
        let host = address.ipAddress ?? "\(address)"
        let port = address.port.map { ":\($0)" } ?? ""
        return (host.contains(":") ? "[\(host)]" : host) + port
    }

    static func text(of file: String) -> String {
        (try? FileText.read(file)) ?? ""
    }
}

/// A part that runs until the daemon ends; its task is cancelled then.
struct ClosureTask: Service, CustomStringConvertible {
    let description: String
    private let body: @Sendable () async throws -> Void

    init(_ name: String, _ body: @escaping @Sendable () async throws -> Void) {
        self.description = name
        self.body = body
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await self.body() }
    }
}

/// Brings what becomes of feeds to the board.
struct FeedListener: SpeakerListener, BMPListener {
    let board: FeedBoard

    func feed(_ feed: FeedID, became liveness: FeedLiveness) {
        self.board.set(feed, liveness: liveness.siteFeeds)
        if liveness == .live { self.board.complete(feed) }
    }

    func feed(_ feed: FeedID, identified identifier: UInt32) {
        self.board.set(feed, identifier: identifier)
    }

    func appeared(_ definition: FeedDefinition, _ settings: PeerSettings) {
        self.board.appear(definition, .neighbour(settings))
    }

    func appeared(_ definition: FeedDefinition, router: IPAddress) {
        self.board.appear(definition, .router(router))
    }

    func disappeared(_ feed: FeedID, name: String) { self.board.disappear(feed, name: name) }
}

extension FeedLiveness {
    var siteFeeds: SiteStatus.Feeds {
        switch self {
        case .live: .live
        case .stale: .stale
        case .lost: .lost
        }
    }
}
