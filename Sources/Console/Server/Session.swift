// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// One connection's conversation: who it is, in which face, and what a line means to it.
///
/// It does no I/O and keeps no time. `handle(line:)` says what is to be done.
package struct Session: Sendable {
    package enum Secret: Hashable, Sendable { case login, enable }

    package enum Action: Sendable {
        /// Nothing to do, nothing to say.
        case nothing
        /// Show the prompt again.
        case prompt
        case answer(Reply)
        case run(Command, wantsJSON: Bool)
        /// Help for what may follow.
        case help(after: String)
        /// Ask for a password, without echo.
        case ask
        /// The password was wrong: after the delay, answer, and ask again or close.
        case refuse(Reply, then: AfterRefusal)
        case close
    }

    package enum AfterRefusal: Hashable, Sendable { case ask, prompt, close }

    private enum Stage: Hashable, Sendable {
        case asking(Secret)
        case talking
    }

    package private(set) var face: Face
    /// Over the Unix socket: the file's permissions have decided already.
    package let isTrusted: Bool
    package private(set) var isEnabled: Bool
    private var isKnown: Bool
    private var stage: Stage
    private var failures = 0
    private let password: String?
    private let enablePassword: String?
    private let grammar: Grammar

    /// Wrong passwords until the connection is closed, or `enable` given up.
    package static let attempts = 3

    package init(
        face: Face, isTrusted: Bool, password: String?, enablePassword: String?,
        grammar: Grammar = .standard
    ) {
        self.face = face
        self.isTrusted = isTrusted
        self.isEnabled = isTrusted
        self.isKnown = isTrusted || password == nil
        self.password = password
        self.enablePassword = enablePassword
        self.grammar = grammar
        // Programs aren't asked: they send `password SECRET`.
        self.stage = self.isKnown || face == .machine ? .talking : .asking(.login)
    }

    package var prompt: String { self.isEnabled ? "martlet# " : "martlet> " }
    package static let passwordPrompt = "Password: "

    /// Whether the next line is a password.
    package var isAsking: Bool { self.stage != .talking }

    /// Whether questions are answered without a look at the grammar.
    package var isReadyForQuestions: Bool { self.isKnown && self.stage == .talking }

    package mutating func handle(line bytes: Span<UInt8>) -> Action {
        if case .asking(let secret) = self.stage {
            return self.take(secret: bytes, for: secret)
        }
        let line = bytes.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
        guard line.contains(where: { $0 != " " && $0 != "\t" }) else {
            return self.face == .machine ? .nothing : .prompt
        }
        let invocation: Invocation
        do {
            if line.last == "?" {
                guard self.isKnown else { return .answer(Self.unknownCaller) }
                return .help(after: String(line.dropLast()))
            }
            invocation = try self.grammar.parse(line)
            let command = try invocation.command()
            return self.take(command, invocation)
        } catch {
            return .answer(.failure(CommandFailure(error)))
        }
    }

    /// A line longer than the bound has been dropped.
    package mutating func handleTooLong(limit: Int) -> Action {
        if case .asking(let secret) = self.stage { return self.refuse(secret) }
        return .answer(.failure(.notUnderstood, "a line of more than \(limit) octets"))
    }

    private static let unknownCaller = Reply.failure(
        .notAllowed, "give the password first: password SECRET")

    private mutating func take(_ command: Command, _ invocation: Invocation) -> Action {
        guard self.isKnown || invocation.rule.access == .anyone else {
            return .answer(Self.unknownCaller)
        }
        guard self.isEnabled || invocation.rule.access != .enabled else {
            return .answer(.failure(.notAllowed, "that needs 'enable' first"))
        }
        switch command {
        case .quit: return .close
        case .machine:
            self.face = .machine
            return self.done
        case .framed:
            self.face = .framed
            return .prompt
        case .terminalLength:
            return self.face == .machine ? .answer(.line("ok")) : .prompt
        case .disable:
            self.isEnabled = self.isTrusted
            return self.done
        case .password(let secret):
            guard !self.isKnown else { return self.done }
            return self.take(secret: secret.utf8.span, for: .login)
        case .enable(let secret): return self.enable(secret)
        case .ask, .showBGP, .showBGPSummary, .showSites, .showFeeds, .showRoutes,
            .showRoundTrips, .observe, .showMemory, .showCheckpoint, .checkpoint, .showVersion,
            .showRPKI, .showDNS, .showDNSZones, .showDNSNames, .showConfiguration, .showFeed,
            .order, .debugFeed, .ready, .reload, .replace, .releaseGuard, .showFeedRules,
            .showAnswers, .showSitesOfName, .complete, .help:
            return .run(command, wantsJSON: invocation.wantsJSON)
        }
    }

    /// Nothing more to say than that it was done.
    private var done: Action { self.face == .machine ? .answer(.line("ok")) : .prompt }

    private mutating func enable(_ secret: String?) -> Action {
        if self.isEnabled { return self.done }
        guard self.enablePassword != nil else {
            return .answer(
                .failure(.notAllowed, "no enable password is configured: use the Unix socket"))
        }
        if let secret { return self.take(secret: secret.utf8.span, for: .enable) }
        guard self.face != .machine else {
            return .answer(.failure(.notAllowed, "give the password: enable SECRET"))
        }
        self.failures = 0
        self.stage = .asking(.enable)
        return .ask
    }

    private mutating func take(secret: Span<UInt8>, for purpose: Secret) -> Action {
        let right = purpose == .login ? self.password : self.enablePassword
        guard let right, Self.isEqual(secret, Array(right.utf8).span) else {
            return self.refuse(purpose)
        }
        self.failures = 0
        self.stage = .talking
        self.isKnown = true
        if purpose == .enable { self.isEnabled = true }
        return self.done
    }

    private mutating func refuse(_ purpose: Secret) -> Action {
        self.failures += 1
        let reply = Reply.failure(.notAllowed, "wrong password")
        if self.failures >= Self.attempts {
            self.stage = .talking
            return .refuse(reply, then: purpose == .login ? .close : .prompt)
        }
        // A client takes one closing line for each line it sends: were it asked again, its next
        // command would be taken for a password.
        if self.face == .framed, purpose == .enable { self.stage = .talking }
        return .refuse(reply, then: self.stage == .talking ? .prompt : .ask)
    }

    /// Compares in a time that depends on the length of what was sent alone.
    package static func isEqual(_ given: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        var difference = given.count == right.count ? 0 : 1
        guard right.count > 0 else { return given.count == 0 }
        var place = 0
        for index in given.indices {
            difference |= Int(given[index] ^ right[place])
            place += 1
            if place == right.count { place = 0 }
        }
        return difference == 0
    }
}
