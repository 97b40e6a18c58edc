// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Console
import Testing

@Suite("A session")
struct SessionTests {
    private func session(
        _ face: Face = .people, trusted: Bool = false, password: String? = "jasmine",
        enable: String? = "rose"
    ) -> Session {
        Session(face: face, isTrusted: trusted, password: password, enablePassword: enable)
    }

    private func handle(_ session: inout Session, _ line: String) -> String {
        switch session.handle(line: line.utf8.span) {
        case .nothing: "nothing"
        case .prompt: "prompt"
        case .answer(.failure(let failure)): "\(failure.code.rawValue) \(failure.sentence)"
        case .answer(.line(let line)): line
        case .answer: "answer"
        case .run(let command, let wantsJSON): "\(command)\(wantsJSON ? " json" : "")"
        case .help(let part): "help:\(part)"
        case .ask: "ask"
        case .refuse(_, let next): "refuse, \(next)"
        case .close: "close"
        }
    }

    @Test("asks people for the password, three times")
    func login() {
        var session = self.session()
        #expect(session.isAsking)
        #expect(self.handle(&session, "show sites") == "refuse, ask")
        #expect(self.handle(&session, "jasmin") == "refuse, ask")
        #expect(self.handle(&session, "jasmine") == "prompt")
        #expect(!session.isAsking && session.prompt == "martlet> ")
        #expect(self.handle(&session, "show sites") == "showSites")

        session = self.session()
        #expect(self.handle(&session, "") == "refuse, ask")
        #expect(self.handle(&session, "jasminejasmine") == "refuse, ask")
        #expect(self.handle(&session, "x") == "refuse, close")
    }

    @Test("programs send the password as a command, and nothing works before")
    func machineLogin() {
        var session = self.session(.machine)
        #expect(!session.isAsking && !session.isReadyForQuestions)
        #expect(self.handle(&session, "nearest 1.1.1.1").hasPrefix("401"))
        #expect(self.handle(&session, "show ?").hasPrefix("401"))
        #expect(self.handle(&session, "password fish") == "refuse, prompt")
        #expect(self.handle(&session, "password jasmine") == "ok")
        #expect(session.isReadyForQuestions)
        #expect(self.handle(&session, "quit") == "close")
    }

    @Test("what changes something needs enable over TCP")
    func enable() {
        var session = self.session(password: nil)
        #expect(self.handle(&session, "reload") == "401 that needs 'enable' first")
        #expect(self.handle(&session, "show configuration").hasPrefix("401"))
        #expect(self.handle(&session, "checkpoint").hasPrefix("401"))
        #expect(self.handle(&session, "show checkpoint") == "showCheckpoint")
        #expect(self.handle(&session, "observe ::/0 a 1").hasPrefix("401"))
        #expect(self.handle(&session, "enable") == "ask")
        #expect(self.handle(&session, "jasmine") == "refuse, ask")
        #expect(self.handle(&session, "rose") == "prompt")
        #expect(session.prompt == "martlet# ")
        #expect(self.handle(&session, "reload") == "reload")
        #expect(self.handle(&session, "disable") == "prompt")
        #expect(session.prompt == "martlet> ")
        #expect(self.handle(&session, "enable rose") == "prompt")
        #expect(self.handle(&session, "show configuration") == "showConfiguration")
    }

    @Test("enable gives up after three wrong passwords, the connection stays")
    func enableFailures() {
        var session = self.session(password: nil)
        #expect(self.handle(&session, "enable") == "ask")
        #expect(self.handle(&session, "a") == "refuse, ask")
        #expect(self.handle(&session, "b") == "refuse, ask")
        #expect(self.handle(&session, "c") == "refuse, prompt")
        #expect(self.handle(&session, "show sites") == "showSites")
    }

    @Test("for martlet console a wrong password ends enable: the next line is a command")
    func enableFramed() {
        var session = self.session(.framed, password: nil)
        #expect(self.handle(&session, "enable") == "ask")
        #expect(self.handle(&session, "a") == "refuse, prompt")
        #expect(self.handle(&session, "show sites") == "showSites")
        #expect(self.handle(&session, "enable") == "ask")
        #expect(self.handle(&session, "rose") == "prompt")
        #expect(session.prompt == "martlet# ")
    }

    @Test("without an enable password nobody is enabled over TCP")
    func noEnablePassword() {
        var session = self.session(password: nil, enable: nil)
        #expect(self.handle(&session, "enable").hasPrefix("401"))
        #expect(self.handle(&session, "enable x").hasPrefix("401"))
    }

    @Test("over the Unix socket everything is allowed")
    func trusted() {
        var session = self.session(trusted: true)
        #expect(session.prompt == "martlet# ")
        #expect(self.handle(&session, "reload") == "reload")
        #expect(self.handle(&session, "disable") == "prompt")
        #expect(self.handle(&session, "reload") == "reload")
    }

    @Test("switches faces")
    func faces() {
        var session = self.session(password: nil)
        #expect(self.handle(&session, "machine") == "ok")
        #expect(session.face == .machine)
        #expect(self.handle(&session, "") == "nothing")
        #expect(self.handle(&session, "enable").hasPrefix("401"))
        #expect(self.handle(&session, "framed") == "prompt")
        #expect(session.face == .framed)
        #expect(self.handle(&session, "sh ip ?") == "help:sh ip ")
        #expect(self.handle(&session, "terminal length 0") == "prompt")
    }

    @Test("a line past the bound is an error; where a password is asked, a wrong one")
    func tooLong() {
        var session = self.session()
        guard case .refuse = session.handleTooLong(limit: 8) else { return #expect(Bool(false)) }
        session = self.session(password: nil)
        guard case .answer(.failure(let failure)) = session.handleTooLong(limit: 8) else {
            return #expect(Bool(false))
        }
        #expect(failure.code == .notUnderstood)
    }

    @Test(
        "compares passwords octet by octet",
        arguments: [
            ("", "", true), ("a", "", false), ("", "a", false), ("a", "a", true),
            ("ab", "ba", false), ("aa", "a", false), ("a", "aa", false),
        ])
    func equality(given: String, right: String, isEqual: Bool) {
        #expect(Session.isEqual(given.utf8.span, right.utf8.span) == isEqual)
    }
}
