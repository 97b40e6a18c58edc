// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// How replies are written.
public enum Face: String, Hashable, Sendable, CaseIterable {
    /// With a banner, a prompt and tables.
    case people
    /// With a first character that decides, and `key=value`.
    case machine
    /// As for people, but each reply closed by a line that tells how it went: for `martlet console`.
    case framed
}

/// What a console serves, where, and to whom.
public struct ConsoleSettings: Sendable {
    public struct Listener: Hashable, Sendable {
        public var address: SocketAddress
        public var face: Face

        public init(address: SocketAddress, face: Face = .people) {
            self.address = address
            self.face = face
        }
    }

    public var listeners: [Listener]
    /// The Unix socket, made with mode 0660: who may open it may do everything.
    public var socketPath: String?
    /// The group that the socket is given to.
    public var socketGroup: UInt32?
    /// Asked for over TCP; nil asks for none.
    public var password: String?
    /// Asked for by `enable` over TCP; nil allows it to nobody there.
    public var enablePassword: String?
    /// A connection on which nothing moves for so long is closed.
    public var idleTimeout: TimeAmount
    /// Connections at the same time, over all listeners.
    public var maximumConnections: Int
    /// Octets in a line.
    public var maximumLine: Int
    /// How long the answer to a wrong password takes.
    public var passwordDelay: TimeAmount

    public init(
        listeners: [Listener] = [], socketPath: String? = nil, socketGroup: UInt32? = nil,
        password: String? = nil, enablePassword: String? = nil,
        idleTimeout: TimeAmount = .minutes(10), maximumConnections: Int = 64,
        maximumLine: Int = 1024, passwordDelay: TimeAmount = .seconds(1)
    ) {
        self.listeners = listeners
        self.socketPath = socketPath
        self.socketGroup = socketGroup
        self.password = password
        self.enablePassword = enablePassword
        self.idleTimeout = idleTimeout
        self.maximumConnections = maximumConnections
        self.maximumLine = maximumLine
        self.passwordDelay = passwordDelay
    }
}
