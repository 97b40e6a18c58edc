// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BGPSpeaker
import Console
import Glibc

/// `martlet replay`: plays a recording into a table that can be asked meanwhile.
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Plays update archives into a table, to look at with the console.",
        discussion: """
            MRT files are played one after another: table dumps at once, updates at the pace at \
            which they were recorded (`dump` in martlet.yaml, or a collector's archive). A console \
            listens on a Unix socket meanwhile, and afterwards, until Ctrl-C; its clock is the \
            recording's. With -c the commands are answered after the end instead, and that is all. \
            Nothing is sent to any router.

            With --config the sites, pins and locations are those of a configuration, and its \
            feeds are found in the files by their peers' addresses and AS numbers; ranges of peers, \
            feeds by BMP or from text, and RPKI are left out, and said at the start. Without it each \
            peer in the files is a site; --site names some and leaves out the others.

            Times are Unix seconds or 2026-11-20T14:03:00Z.

            Example: martlet replay rib.20261120.0000.bz2 updates.20261120.1400.bz2 --config \
            martlet.yaml --from 2026-11-20T14:00:00Z --speed 10

            Exit status: 0 if all was played, 1 if a command given by -c was refused, 2 if a file \
            can't be used.
            """)

    @Argument(help: "MRT files, the oldest first; plain, gzip or bzip2.")
    var files: [String]

    @Option(help: ArgumentHelp("Recorded seconds in a second, or max.", valueName: "n"))
    var speed = ReplaySpeed(factor: 1)

    @Option(help: "Play what is before as fast as can be.")
    var from: ReplayTime?

    @Option(help: "Play nothing after this.")
    var until: ReplayTime?

    @Option(help: "Sites, feeds and more from a martlet.yaml.")
    var config: String?

    @Option(
        name: .customLong("site"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A site that is one of the files' peers, given by address, AS number, or both.",
            valueName: "name=peer[,as]"))
    var sites: [SiteArgument] = []

    @Option(help: "Where the console listens.")
    var socket: String?

    @Option(
        name: [.customShort("c"), .customLong("command")], parsing: .unconditionalSingleValue,
        help: "Answer this after the end, and go; may be repeated.")
    var commands: [String] = []

    @Flag(name: .shortAndLong, help: "No progress bar, no notes.")
    var quiet = false

    func validate() throws {
        if self.config != nil, !self.sites.isEmpty {
            throw ValidationError("--config and --site both say which sites there are.")
        }
        if let from, let until, from.seconds > until.seconds {
            throw ValidationError("--from is after --until.")
        }
    }

    func run() async throws {
        do {
            let isGood = try await ReplaySession(self).run()
            if !isGood { throw ExitCode(1) }
        } catch let code as ExitCode {
            throw code
        } catch {
            ProgressBar.clear()
            for line in "\(error)".split(separator: "\n") { Printer.complain("martlet: \(line)") }
            throw ExitCode(2)
        }
    }
}

/// `10`, `0.5` or `max`.
struct ReplaySpeed: ExpressibleByArgument, Hashable, CustomStringConvertible {
    /// Nil: as fast as can be.
    var factor: Double?

    init(factor: Double?) { self.factor = factor }

    init?(argument: String) {
        if argument == "max" {
            self.factor = nil
            return
        }
        guard let factor = Double(argument), factor >= 0.001, factor <= 1_000_000 else {
            return nil
        }
        self.factor = factor
    }

    var description: String { self.factor.map { "\($0)" } ?? "max" }
}

/// Unix seconds, or a time in UTC.
struct ReplayTime: ExpressibleByArgument, Hashable {
    var seconds: Int64

    /// `1795788180`, `2026-11-20T14:03:00Z`, `2026-11-20T14:03Z` or `2026-11-20`; a blank may stand
    /// for the `T`, and the `Z` may be missing.
    init?(argument: String) {
        if let seconds = Int64(argument), seconds >= 0 {
            self.seconds = seconds
            return
        }
        var text = argument[...]
        if text.hasSuffix("Z") { text = text.dropLast() }
        let halves = text.split(separator: text.contains("T") ? "T" : " ")
        guard let date = halves.first.map({ Self.numbers($0, "-") }), date.count == 3,
            halves.count <= 2
        else { return nil }
        var clock = halves.count == 2 ? Self.numbers(halves[1], ":") : [0, 0]
        if clock.count == 2 { clock.append(0) }
        guard clock.count == 3, (1...12).contains(date[1]), (1...31).contains(date[2]),
            clock[0] < 24, clock[1] < 60, clock[2] < 61
        else { return nil }
        var parts = tm()
        parts.tm_year = CInt(truncatingIfNeeded: date[0]) - 1900
        parts.tm_mon = CInt(date[1]) - 1
        parts.tm_mday = CInt(date[2])
        parts.tm_hour = CInt(clock[0])
        parts.tm_min = CInt(clock[1])
        parts.tm_sec = CInt(clock[2])
        self.seconds = Int64(timegm(&parts))
    }

    /// Empty where anything is no number.
    private static func numbers(_ text: Substring, _ separator: Character) -> [Int] {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        let numbers = parts.compactMap { UInt16($0).map(Int.init) }
        return numbers.count == parts.count ? numbers : []
    }
}
