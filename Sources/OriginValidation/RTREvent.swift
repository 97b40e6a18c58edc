// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What happens to one cache's session.
public enum RTREvent: Sendable, Hashable {
    /// The cache is wanted.
    case start
    /// It is not wanted any more: its payloads go.
    case stop
    /// It is not wanted any more, but its payloads stay until they expire.
    case retire
    case connected
    /// A try to connect failed, or the connection went; in words. Not told of a connection that
    /// ``RTRAction/close`` ended.
    case closed(String)
    case received(RTRFrame)
    /// Something came that can't be read.
    case malformed(RTRFault)
    case expired(RTRTimer)
}

public enum RTRTimer: Sendable, Hashable, CaseIterable {
    /// Until the cache is asked again.
    case refresh
    /// Until the next try to connect.
    case retry
    /// How long an answer may take.
    case answer
    /// Until the payloads don't count any more.
    case expire
}

/// What is to be done for one cache's session.
public enum RTRAction: Sendable, Hashable {
    case connect
    case send(RTRRequest, version: UInt8)
    /// The connection, or the try, ends once what was sent has left.
    case close
    /// Sets a timer, or sets it anew.
    case startTimer(RTRTimer, Duration)
    case stopTimer(RTRTimer)
    /// An answer is complete; ``RTRSession/table`` is what the cache knows now.
    case synchronised
    /// The payloads have not been confirmed for too long, and don't count any more.
    case expired
    /// A try or a session came to nothing; in words.
    case failed(String)
}

public enum RTRState: String, Sendable, Hashable {
    case idle
    case connecting
    /// A query was sent.
    case asking
    /// The answer is coming.
    case receiving
    case synchronised
    /// For the next try.
    case waiting
}

/// What an operator says of all caches.
public struct RTRSettings: Sendable, Hashable {
    /// In place of what a cache says in End of Data.
    public var refresh: Duration?
    public var retry: Duration?
    public var expire: Duration?
    /// Payloads that a cache may have.
    public var maximumPayloads: Int

    public init(
        refresh: Duration? = nil, retry: Duration? = nil, expire: Duration? = nil,
        maximumPayloads: Int = 2_000_000
    ) {
        self.refresh = refresh
        self.retry = retry
        self.expire = expire
        self.maximumPayloads = maximumPayloads
    }

    /// What holds, with what the cache says, or else RFC 8210 §6.
    func intervals(_ said: RTRIntervals?) -> RTRIntervals {
        let said = said ?? RTRIntervals()
        return RTRIntervals(
            refresh: self.refresh ?? said.refresh, retry: self.retry ?? said.retry,
            expire: self.expire ?? said.expire)
    }
}
