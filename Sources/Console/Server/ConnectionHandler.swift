// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import Logging
import NIOCore

/// Serves one connection: lines in, replies out, in order.
///
/// `nearest` and `rank` are answered where they are read, a whole read in one batch of Oracle. What
/// takes longer runs in a task; until it has ended the rest of the input waits. Input waits, too,
/// while the other side doesn't read its replies: then the socket isn't read either, so that a
/// connection never holds more than a read, a line, and the replies of one burst.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Replies are handed to the channel in pieces of this size.
    private static let burst = 65_536

    private let interpreter: Interpreter
    private let answerer: Answerer
    private let settings: ConsoleSettings
    private let counters: ConsoleCounters
    private let tasks: RunningTasks
    private let logger: Logger
    private var session: Session
    private var presentation: Presentation
    private var decoder: LineDecoder
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    /// A task, or a delay, after which the input goes on.
    private var busy: Task<Void, Never>?
    /// What is watched until a line comes.
    private var live: LiveView?
    /// What goes on until an interruption comes.
    private var stop: StreamStop?
    private var isDelayed = false
    private var inputHasEnded = false
    private var isClosing = false
    private var readIsWanted = false
    private var lastMove = NIODeadline.now()
    private var idleCheck: Scheduled<Void>?

    init(
        interpreter: Interpreter, answerer: Answerer, settings: ConsoleSettings,
        counters: ConsoleCounters, tasks: RunningTasks, logger: Logger, face: Face,
        isTrusted: Bool
    ) {
        self.interpreter = interpreter
        self.answerer = answerer
        self.settings = settings
        self.counters = counters
        self.tasks = tasks
        self.logger = logger
        self.session = Session(
            face: face, isTrusted: isTrusted, password: settings.password,
            enablePassword: settings.enablePassword)
        // A terminal at the other end of TCP wants telnet's line ends (RFC 854).
        self.presentation = Presentation(
            face: face, newline: face == .people && !isTrusted ? "\r\n" : "\n")
        self.decoder = LineDecoder(maximumLength: settings.maximumLine)
    }

    // MARK: The channel's events

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        self.armIdleCheck(context, after: self.settings.idleTimeout)
        guard self.presentation.face == .people else { return }
        let newline = self.presentation.newline
        self.output.writeString(
            "\(newline)Hello, this is Martlet (version \(self.interpreter.backend.version.version))."
                + "\(newline)\(newline)")
        if self.session.isAsking {
            self.output.writeString("User Access Verification\(newline)\(newline)")
            self.ask()
        } else {
            self.output.writeString(self.session.prompt)
        }
        self.flush(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        self.lastMove = .now()
        if self.input.readableBytes == 0 {
            self.input = buffer
        } else {
            self.input.writeBuffer(&buffer)
        }
        if self.live?.isEnded(by: &self.input) == true { self.live = nil }
        self.stop?.look(in: &self.input)
        self.process(context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.flush(context)
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        // While rows are sent, the commands that wait are few.
        let mayStop = self.stop != nil && self.input.readableBytes < self.settings.maximumLine
        if self.live != nil || mayStop
            || self.canGoOn(context) && self.input.readableBytes == 0
        {
            context.read()
        } else {
            self.readIsWanted = true
        }
    }

    /// Rows are sent that an interruption may end: from here on one is looked for.
    private func begin(_ stop: StreamStop, _ context: ChannelHandlerContext) {
        self.stop = stop
        self.stop?.look(in: &self.input)
        if self.readIsWanted {
            self.readIsWanted = false
            self.read(context: context)
        }
    }

    /// Somebody watches: what comes from now on may be the end of it.
    private func begin(_ watch: FeedWatch, _ context: ChannelHandlerContext) {
        let live = LiveView(watch)
        guard !self.isClosing, !live.isEnded(by: &self.input) else {
            watch.end()
            return
        }
        self.live = live
        if self.readIsWanted {
            self.readIsWanted = false
            context.read()
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // A task writes its next piece when the other side has taken the one before.
        self.lastMove = .now()
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.lastMove = .now()
        self.goOn(context)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            self.inputHasEnded = true
            self.goOn(context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.isClosing = true
        self.live?.end()
        self.busy?.cancel()
        self.idleCheck?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.logger.debug("console connection failed", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    // MARK: Lines

    private func canGoOn(_ context: ChannelHandlerContext) -> Bool {
        self.busy == nil && !self.isDelayed && !self.isClosing && context.channel.isWritable
    }

    /// Goes on with input that had to wait, and with reading.
    private func goOn(_ context: ChannelHandlerContext) {
        self.process(context)
        self.flush(context)
        if self.readIsWanted, self.canGoOn(context), self.input.readableBytes == 0 {
            self.readIsWanted = false
            context.read()
        }
    }

    private func process(_ context: ChannelHandlerContext) {
        while self.canGoOn(context) {
            let step = self.burstOfQuestions()
            switch step {
            case .line?: self.takeLine(context)
            case .tooLong?: self.takeTooLong(context)
            case .needsMore?:
                self.sendAnswers()
                guard self.inputHasEnded else { return }
                self.end(context)
                return
            case nil: break
            }
            self.sendAnswers()
            if self.output.readableBytes >= Self.burst { self.flush(context) }
        }
    }

    /// The other side has said all: a last line without an end is one too.
    private func end(_ context: ChannelHandlerContext) {
        switch self.decoder.finish() {
        case .line: self.takeLine(context)
        case .tooLong: self.takeTooLong(context)
        case .needsMore: break
        }
        if self.busy == nil, !self.isDelayed, !self.decoder.hasPartialLine { self.close(context) }
    }

    /// Answers `nearest` after `nearest` for programs, until another line comes or the input is
    /// used up; nil where so much has been written that it wants to be sent first.
    private func burstOfQuestions() -> LineDecoder.Step? {
        guard self.presentation.face == .machine, self.session.isReadyForQuestions,
            self.interpreter.backend.readiness() == .ready
        else { return self.decoder.step(&self.input) }
        let backend = self.interpreter.backend
        let step = self.answerer.withBatch { batch, writer in
            defer {
                self.counters.countCommands(writer.count)
                if writer.count > 0 { writer.empty(into: &self.output) }
            }
            return Self.answer(
                &self.input, &self.decoder, longest: self.settings.maximumLine, &batch, &writer
            ) { backend.policy(named: $0) }
        }
        return step
    }

    /// The same over what it is given: a class's properties are checked at each access.
    private static func answer(
        _ input: inout ByteBuffer, _ decoder: inout LineDecoder, longest: Int,
        _ batch: inout OracleBatch, _ writer: inout NearestWriter, _ find: (String) -> Int?
    ) -> LineDecoder.Step? {
        while !writer.isFull {
            if decoder.isAtLineStart {
                writer.answer(&input, longest: longest, &batch, find)
            }
            if writer.isFull { break }
            let step = decoder.step(&input)
            guard step == .line, writer.answer(line: decoder.line.span, &batch, find) else {
                return step
            }
        }
        return nil
    }

    // MARK: What a line asks for

    private func takeLine(_ context: ChannelHandlerContext) {
        let wasAsking = self.session.isAsking
        let action = self.session.handle(line: self.decoder.line.span)
        self.perform(action, wasAsking: wasAsking, context)
    }

    private func takeTooLong(_ context: ChannelHandlerContext) {
        let wasAsking = self.session.isAsking
        let action = self.session.handleTooLong(limit: self.settings.maximumLine)
        self.perform(action, wasAsking: wasAsking, context)
    }

    private func perform(
        _ action: Session.Action, wasAsking: Bool, _ context: ChannelHandlerContext
    ) {
        self.counters.countCommand()
        self.follow(self.session.face)
        if wasAsking, self.decoder.offersEcho {
            // The line end that was typed wasn't shown.
            self.output.writeString(self.presentation.newline)
            if !self.session.isAsking { self.echo(true) }
        }
        switch action {
        case .nothing: break
        case .prompt: self.write(.silence)
        case .answer(let reply): self.write(reply)
        case .help(let part): self.write(self.interpreter.help(after: part))
        case .ask: self.ask()
        case .refuse(let reply, let next): self.refuse(reply, next, context)
        case .close: self.close(context)
        case .run(let command, let wantsJSON):
            if !wantsJSON, case .ask(let question, let client, let name) = command,
                let reply = self.interpreter.quickReply(
                    question, client, name: name, self.answerer)
            {
                self.write(reply)
            } else if !wantsJSON, case .observe(let observation) = command,
                let reply = self.interpreter.observeAtOnce(observation)
            {
                self.write(reply)
            } else {
                self.start(command, wantsJSON: wantsJSON, context)
            }
        }
    }

    private func follow(_ face: Face) {
        guard face != self.presentation.face else { return }
        self.presentation = Presentation(face: face)
    }

    private func start(_ command: Command, wantsJSON: Bool, _ context: ChannelHandlerContext) {
        self.flush(context)
        let channel = context.channel
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let (interpreter, presentation, prompt) =
            (self.interpreter, self.presentation, self.session.prompt)
        self.busy = self.tasks.start {
            let reply = await interpreter.reply(to: command, wantsJSON: wantsJSON)
            do {
                if case .stream(let stream) = reply {
                    let stop = StreamStop()
                    // Programs close the connection, or send what they like.
                    if presentation.face != .machine {
                        try await channel.eventLoop.submit {
                            let (handler, context) = bound.value
                            handler.begin(stop, context)
                        }.get()
                    }
                    _ = try await presentation.stream(
                        stream, prompt: prompt, isStopped: { stop.isWanted }
                    ) { text in
                        try Task.checkCancellation()
                        // Returns when the kernel has taken it: no more than a piece is held.
                        try await channel.writeAndFlush(ByteBuffer(string: text)).get()
                    }
                } else if case .live(let watch) = reply {
                    try await channel.eventLoop.submit {
                        let (handler, context) = bound.value
                        handler.begin(watch, context)
                    }.get()
                    try await presentation.live(watch, prompt: prompt) { text in
                        try Task.checkCancellation()
                        try await channel.writeAndFlush(ByteBuffer(string: text)).get()
                    }
                } else {
                    var text = ""
                    presentation.write(reply, prompt: prompt, to: &text)
                    try await channel.writeAndFlush(ByteBuffer(string: text)).get()
                }
            } catch {
                channel.close(promise: nil)
            }
            channel.eventLoop.execute {
                let (handler, context) = bound.value
                handler.busy = nil
                handler.live = nil
                handler.stop = nil
                handler.lastMove = .now()
                if !handler.isClosing { handler.goOn(context) }
            }
        }
    }

    private func refuse(
        _ reply: Reply, _ next: Session.AfterRefusal, _ context: ChannelHandlerContext
    ) {
        self.counters.countWrongPassword()
        self.logger.notice(
            "wrong password on the console",
            metadata: ["from": "\(context.remoteAddress?.ipAddress ?? "-")"])
        self.isDelayed = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: self.settings.passwordDelay) {
            let (handler, context) = bound.value
            guard !handler.isClosing else { return }
            handler.isDelayed = false
            handler.write(reply, withPrompt: next == .prompt)
            switch next {
            case .ask: handler.ask()
            case .prompt: break
            case .close: handler.close(context)
            }
            handler.goOn(context)
        }
    }

    // MARK: Writing

    private func write(_ reply: Reply, withPrompt: Bool = true) {
        var text = ""
        if withPrompt || self.presentation.face != .people {
            self.presentation.write(reply, prompt: self.session.prompt, to: &text)
        } else {
            self.presentation.write(reply, prompt: "", to: &text)
        }
        self.output.writeString(text)
    }

    /// Asks for the password; a telnet is told not to show what is typed.
    private func ask() {
        var text = ""
        self.presentation.ask(Session.passwordPrompt, to: &text)
        self.output.writeString(text)
        if !self.decoder.offersEcho { self.echo(false) }
    }

    private func echo(_ isOn: Bool) {
        guard !self.session.isTrusted, self.presentation.face == .people else { return }
        let verb = isOn ? LineDecoder.Telnet.wont : LineDecoder.Telnet.will
        self.output.writeBytes([LineDecoder.Telnet.iac, verb, LineDecoder.Telnet.echo])
        self.decoder.offersEcho = !isOn
    }

    private func sendAnswers() {
        guard !self.decoder.answers.isEmpty else { return }
        self.output.writeBytes(self.decoder.answers)
        self.decoder.answers.removeAll(keepingCapacity: true)
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard self.output.readableBytes > 0 else { return }
        let output = self.output
        self.output = ByteBuffer()
        context.writeAndFlush(self.wrapOutboundOut(output), promise: nil)
    }

    private func close(_ context: ChannelHandlerContext) {
        guard !self.isClosing else { return }
        if self.presentation.face == .framed { self.output.writeString(".bye \n") }
        self.flush(context)
        self.isClosing = true
        let channel = context.channel
        // What was written goes out before the close: it waits for the last write.
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).whenComplete { _ in
            channel.close(promise: nil)
        }
    }

    private func armIdleCheck(_ context: ChannelHandlerContext, after delay: TimeAmount) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.idleCheck = context.eventLoop.scheduleTask(in: delay) {
            let (handler, context) = bound.value
            guard !handler.isClosing else { return }
            let due = handler.lastMove + handler.settings.idleTimeout
            if due > .now() {
                handler.armIdleCheck(context, after: due - .now())
            } else {
                // Not `close`: a reader that has stopped would never let it come to pass.
                handler.isClosing = true
                context.close(promise: nil)
            }
        }
    }
}
