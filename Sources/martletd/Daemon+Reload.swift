// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import Choice
import Configuration
import Console
import DNSFront
import Logging
import NIOPosix
import RouteTable
import ServiceLifecycle
import Synchronization

extension Daemon {
    /// Reads the configuration again. A bad one, or a bad file that it names, changes nothing;
    /// a good one changes what differs.
    ///
    /// - Parameter waits: After a reload that is under way; else there is none.
    /// - Returns: What was changed, a line each; or why nothing was.
    func reload(waits: Bool = false) async -> Result<[String], CommandFailure> {
        guard await self.beginReload(waits: waits) else {
            let isHandover = self.running.withLock { $0.isHandingOver }
            return .failure(
                CommandFailure(
                    .tooMuch, "\(isHandover ? "a handover" : "a reload") is under way"))
        }
        // systemd waits for a process that says so to be ready again.
        let isReady = self.readiness.isReady
        if isReady { ServiceManager.reloading() }
        defer {
            self.endReload()
            if isReady { ServiceManager.ready(self.status) }
        }
        do {
            let changes = try await self.change()
            await self.giveMemoryBack()
            self.logger.notice(
                "reloaded", metadata: ["changes": "\(changes.joined(separator: "; "))"])
            return .success(changes)
        } catch let error as ConfigurationError {
            return .failure(self.refuse(error.complaints.map(\.description)))
        } catch let error as StartFailure {
            return .failure(self.refuse(error.lines))
        } catch {
            return .failure(self.refuse(["\(error)"]))
        }
    }

    /// Waits for location files that are being read by themselves: a reload that somebody asks for
    /// just after replacing them is not to get lost. Nor is a signal's, since nobody could tell its
    /// sender: the reload under way may have read the files before they were changed again.
    func beginReload(waits: Bool) async -> Bool {
        var hasSaidSo = false
        while !Task.isShuttingDownGracefully, !Task.isCancelled, !self.succession.hasLeft.isOpen {
            let (isFirst, isWorthWaiting) = self.running.withLock { running in
                defer { running.isReloading = true }
                return (!running.isReloading, running.isReadingLocations)
            }
            if isFirst { return true }
            if waits, !isWorthWaiting, !hasSaidSo {
                self.logger.info("a reload is under way; the next one follows it")
                hasSaidSo = true
            }
            guard waits || isWorthWaiting, (try? await Task.sleep(for: .milliseconds(50))) != nil
            else {
                return false
            }
        }
        return false
    }

    func endReload() {
        self.running.withLock { running in
            running.isReloading = false
            running.isHandingOver = false
        }
    }

    /// Tells of zones whose master files are bad, and of what is odd about others.
    func log(zonesOf configuration: Configuration) {
        for zone in configuration.zones {
            let state =
                zone.state == .kept ? "it is served as before" : "it is answered with SERVFAIL"
            for problem in zone.problems {
                self.logger.error(
                    "\(problem)", metadata: ["zone": "\(zone.apex)", "state": "\(state)"])
            }
            for note in zone.notes {
                self.logger.warning("\(note)", metadata: ["zone": "\(zone.apex)"])
            }
        }
    }

    private func refuse(_ lines: [String]) -> CommandFailure {
        self.logger.error(
            "the new configuration is bad; nothing was changed",
            metadata: ["complaints": "\(lines.joined(separator: "; "))"])
        return CommandFailure(
            .ourFault, "the new configuration is bad; nothing was changed", details: lines)
    }

    /// Everything that can fail comes first; then the changes, in an order in which nobody sees
    /// a number that means nothing: the table, the world, the zones, the sessions.
    private func change() async throws -> [String] {
        let old = self.running.withLock { $0 }
        let path = old.configuration.file
        var configuration = try await self.files.runIfActive { try Configuration.load(path: path) }
        configuration.keepZones(of: old.configuration)
        self.log(zonesOf: configuration)
        var changes = configuration.differences(from: old.configuration)
        let plan = self.plan(
            configuration, after: old.plan.assignment, judges: old.plan.judges)
        for zone in plan.zones { try zone.check() }

        func isChanged(_ paths: [String]) -> Bool {
            paths.contains { old.stamps[$0] == nil || old.stamps[$0] != FileStamp(path: $0) }
        }
        let needsPins =
            plan.maps != old.plan.maps || plan.sitesByNumber != old.plan.sitesByNumber
            || isChanged(plan.maps)
        let needsLocations =
            plan.locationFiles != old.plan.locationFiles || isChanged(plan.locationFiles)
        let needsRoundTrips =
            plan.roundTripFiles != old.plan.roundTripFiles || isChanged(plan.roundTripFiles)
            || (!plan.roundTripFiles.isEmpty
                && plan.assignment.sites != old.plan.assignment.sites)
        let layers = try await self.files.runIfActive {
            try StaticLayers.read(
                plan, pins: needsPins, locations: needsLocations, roundTrips: needsRoundTrips)
        }
        let dumps = plan.dumps.filter { dump in
            isChanged([dump.file]) || !old.plan.dumps.contains(dump)
        }
        try await self.files.runIfActive { for dump in dumps { try dump.loader.check() } }
        for warning in layers.warnings { self.logger.warning("\(warning)") }
        if needsPins, plan.maps == old.plan.maps, !plan.maps.isEmpty {
            changes.append("route maps are read again")
        }
        if needsLocations, plan.locationFiles == old.plan.locationFiles {
            changes.append("locations are read again")
        }
        if needsRoundTrips, plan.roundTripFiles == old.plan.roundTripFiles {
            changes.append("round trips are read again")
        }
        layers.log(to: self.logger)
        for change in changes { self.logger.info("reload: \(change)") }

        self.define(plan)
        layers.submit(to: self.owner)
        // Who asks after the reply gets the new answers, not those before the writer was done.
        await self.owner.flush()
        self.oracle.update { world in
            world.sites = plan.sites
            world.policies = plan.policies
            let ids = Set(plan.sites.map(\.id))
            world.status = world.status.filter { ids.contains($0.key) }
        }
        self.board.publish()
        let hasOtherZones = try self.zones.replace(plan.zones)
        // What is served on needn't be there twice.
        let keepsEntries = !hasOtherZones && configuration.zones == old.configuration.zones
        self.running.withLock { running in
            running.configuration = configuration
            running.plan = plan
            if !hasOtherZones { running.plan.zones = old.plan.zones }
            if keepsEntries { running.configuration.zones = old.configuration.zones }
            running.text = Self.text(of: path)
            running.stamps.merge(layers.stamps) { $1 }
        }
        // Who looked a name up in the plan before, for the world after, forgets it.
        self.oracle.update { _ in }
        self.checkpoints.apply(plan.checkpoint)
        StandardErrorLog.setLevel(plan.logLevel.level)
        self.origins.define(plan)
        changes += await self.dumps.apply(plan)
        changes += await self.speaker.apply(plan.speaker)
        changes += await self.station.apply(plan.bmp)
        await self.dumps.prune(plan)
        await self.origins.apply(plan)
        self.forget(old.plan, unlessIn: plan)
        changes += self.console?.apply(plan.console) ?? []
        let problems = await self.dns.apply(plan.dns)
        for problem in problems { self.logger.error("reload: \(problem)") }
        changes += problems
        changes += self.dns.reloadCertificates()
        for dump in dumps {
            if let words = await self.load(dump, replacing: true) {
                changes.append(words)
            } else {
                changes.append("\(dump.file) is loaded")
            }
        }
        return changes.isEmpty ? ["nothing has changed"] : changes
    }
}
