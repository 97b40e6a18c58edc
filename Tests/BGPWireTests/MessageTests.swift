// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import Testing

@Suite("Message headers")
struct MessageFrameTests {
    static func header(_ length: Int, _ type: UInt8) -> [UInt8] {
        [UInt8](repeating: 0xff, count: 16) + [UInt8(length >> 8), UInt8(length & 255), type]
    }

    func read(
        _ bytes: [UInt8], at offset: Int = 0, extended: Bool = false
    ) -> Result<MessageFrame?, Notification> {
        do throws(Notification) {
            return .success(
                try MessageFrame.read(
                    bytes.span.bytes, at: offset, extendedMessages: extended))
        } catch {
            return .failure(error)
        }
    }

    @Test("a whole header gives type and length; less gives nothing")
    func header() throws {
        let bytes = Self.header(23, 2)
        #expect(try self.read(bytes).get() == MessageFrame(type: .update, length: 23))
        #expect(try self.read([0] + bytes, at: 1).get() == MessageFrame(type: .update, length: 23))
        for count in 0..<19 {
            #expect(try self.read(Array(bytes.prefix(count))).get() == nil)
        }
    }

    @Test("a marker that isn't all ones is told at once")
    func marker() {
        for index in 0..<16 {
            var bytes = Self.header(19, 4)
            bytes[index] = 0xfe
            #expect(self.read(bytes) == .failure(.header(.notSynchronized)))
        }
    }

    @Test(
        "lengths out of range for their type",
        arguments: [
            (0, 4), (18, 4), (20, 4), (28, 1), (22, 2), (20, 3), (18, 5), (4097, 2), (65535, 2),
        ] as [(Int, UInt8)])
    func lengths(length: Int, type: UInt8) {
        let data = [UInt8(length >> 8), UInt8(length & 255)]
        #expect(
            self.read(Self.header(length, type)) == .failure(.header(.badLength, data: data)))
    }

    @Test("extended messages, but not OPEN and KEEPALIVE (RFC 8654)")
    func extended() throws {
        let long = Self.header(65535, 2)
        #expect(try self.read(long, extended: true).get()?.length == 65535)
        #expect(
            self.read(Self.header(4097, 1), extended: true)
                == .failure(.header(.badLength, data: [0x10, 1])))
    }

    @Test("unknown types", arguments: [0, 6, 255] as [UInt8])
    func types(type: UInt8) {
        #expect(self.read(Self.header(30, type)) == .failure(.header(.badType, data: [type])))
    }
}

@Suite("OPEN")
struct OpenMessageTests {
    func read(_ body: [UInt8]) -> Result<OpenMessage, Notification> {
        do throws(Notification) {
            return .success(try openMessage(body))
        } catch {
            return .failure(error)
        }
    }

    @Test("comes back as it was sent")
    func roundTrip() throws {
        let open = OpenMessage(
            asNumber: 4_200_000_000, holdTimeSeconds: 90, identifier: 0xc000_0201,
            capabilities: [
                .multiprotocol(.ipv4), .multiprotocol(.ipv6), .routeRefresh,
                .gracefulRestartHelper,
            ])
        let message = OutgoingMessage.open(open).encoded()
        let read = try self.read(Array(message.dropFirst(19))).get()
        #expect(read == open)
        #expect(read.twoOctetAS == 23456)
        #expect(read.asNumber == 4_200_000_000)
        #expect(read.capabilities.families == .both)
        #expect(read.capabilities.gracefulRestart?.families == [])
    }

    @Test("capabilities that fill more than 255 bytes take the form of RFC 9072")
    func extendedRoundTrip() throws {
        let many = (0..<40).map { Capability(.init(rawValue: 200 + $0), [1, 2, 3, 4, 5]) }
        let open = OpenMessage(
            asNumber: 65000, holdTimeSeconds: 0, identifier: 1, capabilities: many)
        let message = OutgoingMessage.open(open).encoded()
        #expect(message[19 + 9] == 255 && message[19 + 10] == 255)
        #expect(try self.read(Array(message.dropFirst(19))).get() == open)
    }

    @Test("several capabilities in one parameter, unknown ones and repeated ones")
    func capabilities() throws {
        let body = hex(
            "04 fde8 005a c0000201 1a 02 18 01 04 0001 00 01 01 04 0002 00 80 63 00 41 04 0000fde8 4002 0078"
        )
        let open = try self.read(body).get()
        #expect(open.asNumber == 65000)
        #expect(open.capabilities.families == .ipv4, "VPN is none of ours")
        #expect(open.capabilities.gracefulRestart?.restartSeconds == 120)
        #expect(
            open.capabilities.description
                == "IPv4 unicast, VPNv6, capability 99, 4-octet AS, graceful restart")
    }

    @Test("no capability at all")
    func plain() throws {
        let open = try self.read(hex("04 fde8 00b4 c0000201 00")).get()
        #expect(open.asNumber == 65000)
        #expect(open.capabilities.families == nil)
        #expect(open.holdTimeSeconds == 180)
    }

    @Test("graceful restart names families and flags (RFC 4724 §3)")
    func gracefulRestart() {
        let capabilities = Capabilities([
            Capability(.gracefulRestart, hex("c078 0001 01 80 0002 01 00 0001 80 80"))
        ])
        let restart = capabilities.gracefulRestart
        #expect(restart?.isRestarting == true)
        #expect(restart?.isForNotifications == true)
        #expect(restart?.restartSeconds == 120)
        #expect(restart?.families == .both)
        #expect(restart?.preserved == .ipv4)
    }

    @Test("ADD-PATH directions (RFC 7911 §4)")
    func addPath() {
        let capabilities = Capabilities([
            Capability(.addPath, hex("0001 01 02 0002 01 01 0002 80 03"))
        ])
        #expect(capabilities.addPath(sends: true) == .ipv4)
        #expect(capabilities.addPath(sends: false) == .ipv6)
        let odd = Capabilities([Capability(.addPath, hex("0001 01 02 0002 01 09"))])
        #expect(odd.addPath(sends: true) == [], "a direction that isn't one spoils the whole")
    }

    @Test("IPv4 over IPv6 next hops (RFC 8950 §4)")
    func extendedNextHop() {
        func has(_ value: String) -> Bool {
            Capabilities([Capability(.extendedNextHop, hex(value))]).extendedNextHop
        }
        #expect(has("0001 0001 0002"))
        #expect(has("0001 0080 0002 0001 0001 0002"))
        #expect(!has("0001 0080 0002"))
        #expect(!has("0001 0001"))
        #expect(!has(""))
    }

    @Test("roles (RFC 9234 §4.1): of one byte, each once")
    func roles() {
        let capabilities = Capabilities([
            .role(.peer), Capability(.role, [3, 3]), Capability(.role), .role(.peer),
            .role(.customer),
        ])
        #expect(capabilities.roles == [.peer, .customer])
        #expect(
            PeeringRole.all.map(\.description)
                == ["provider", "rs", "rs-client", "customer", "peer"])
        #expect(PeeringRole(rawValue: 9).description == "role 9")
        #expect(PeeringRole(rawValue: 9).counterpart == nil)
    }

    @Test("long-lived times by family (RFC 9494 §3.1)")
    func longLived() {
        let value = hex("0001 01 80 000e10 0002 01 00 ffffff 0001 80 80 000001")
        let capabilities = Capabilities([
            .gracefulRestartHelper, Capability(.longLivedGracefulRestart, value),
        ])
        #expect(capabilities.longLived.map(\.family) == [.ipv4, .ipv6])
        #expect(capabilities.longLived.map(\.staleSeconds) == [3600, 16_777_215])
        #expect(capabilities.longLived.map(\.isPreserved) == [true, false])
        let cut = Capabilities([
            .gracefulRestartHelper,
            Capability(.longLivedGracefulRestart, Array(value.prefix(13))),
        ])
        #expect(cut.longLived.map(\.family) == [.ipv4])
        let alone = Capabilities([Capability(.longLivedGracefulRestart, value)])
        #expect(alone.longLived.isEmpty, "without graceful restart it counts for nothing")
    }

    @Test("each capability in words, in the order of the codes")
    func words() {
        let capabilities = Capabilities([
            .fourOctetAS(4_200_000_000), .multiprotocol(.ipv4), .extendedNextHop, .role(.provider),
            Capability(.gracefulRestart, hex("4078 0001 01 80 0002 01 00")), .multiprotocol(.ipv4),
            Capability(.addPath, hex("0001 01 03 0002 01 01")), .extendedMessage,
            Capability(.longLivedGracefulRestart, hex("0001 01 80 000e10")),
            Capability(.hostName, [4] + Array("r1\u{7}x".utf8)), Capability(.init(rawValue: 99)),
            Capability(.role), .longLivedHelper, .gracefulRestartHelper,
        ])
        #expect(
            capabilities.details == [
                "IPv4 unicast", "extended next hop: IPv4 over IPv6", "extended message",
                "role: provider", "role: malformed",
                "graceful restart: 120 s, IPv4 unicast (forwarding kept), IPv6 unicast",
                "graceful restart: helper", "4-octet AS: 4200000000",
                "ADD-PATH: IPv4 unicast both ways, IPv6 unicast receive",
                "long-lived graceful restart: IPv4 unicast 3600 s",
                "long-lived graceful restart: helper", "host name: r1\\u{7}x", "capability 99",
            ])
    }

    @Test("parameters in the form of RFC 9072 whatever the count before them, but zero")
    func extendedParameters() throws {
        for count in ["ff", "01", "12"] {
            let body = hex("04 fde8 005a c0000201 \(count) ff 0009 02 0006 01 04 0001 00 01")
            let open = try self.read(body).get()
            #expect(open.capabilities.families == .ipv4)
        }
        #expect(
            self.read(hex("04 fde8 005a c0000201 00 ff 0009 02 0006 01 04 0001 00 01"))
                == .failure(.open(.unspecific)))
        // A long capability fits this form alone.
        let long = Capability(.init(rawValue: 200), [UInt8](repeating: 7, count: 255))
        let open = OpenMessage(
            asNumber: 65000, holdTimeSeconds: 0, identifier: 1, capabilities: [long])
        let message = OutgoingMessage.open(open).encoded()
        #expect(try self.read(Array(message.dropFirst(19))).get() == open)
        // Plain up to 254 bytes: 6 for the AS number, and 248.
        let most = Capability(.init(rawValue: 200), [UInt8](repeating: 7, count: 242))
        let plain = OutgoingMessage.open(
            OpenMessage(asNumber: 65000, holdTimeSeconds: 0, identifier: 1, capabilities: [most]))
        #expect(plain.encoded()[19 + 9] == 254)
    }

    @Test("never more than 4,096 bytes, whatever it holds")
    func longest() throws {
        let many = (0..<40).map {
            Capability(.init(rawValue: 100 + $0), Array(repeating: 1, count: 200))
        }
        let open = OpenMessage(
            asNumber: 65000, holdTimeSeconds: 0, identifier: 1, capabilities: many)
        let message = OutgoingMessage.open(open).encoded()
        #expect(message.count <= MessageFrame.maximumLength)
        let read = try self.read(Array(message.dropFirst(19))).get()
        #expect(open.capabilities.list.starts(with: read.capabilities.list))
    }

    @Test("what is wrong has its own subcode")
    func errors() {
        let cases: [(String, Notification)] = [
            ("", .open(.unspecific)),
            ("04 fde8 005a c0000201", .open(.unspecific)),
            ("03 fde8 005a c0000201 00", .open(.unsupportedVersion, data: [0, 4])),
            ("04 fde8 0001 c0000201 00", .open(.unacceptableHoldTime)),
            ("04 fde8 0002 c0000201 00", .open(.unacceptableHoldTime)),
            ("04 fde8 005a c0000201 01", .open(.unspecific)),
            ("04 fde8 005a c0000201 00 00", .open(.unspecific)),
            ("04 fde8 005a c0000201 02 01 00", .open(.unsupportedParameter)),
            ("04 fde8 005a c0000201 02 02 05", .open(.unspecific)),
            ("04 fde8 005a c0000201 04 02 02 41 04", .open(.unspecific)),
            ("04 fde8 005a c0000201 03 02 01 41", .open(.unspecific)),
            // RFC 9072
            ("04 fde8 005a c0000201 ff ff", .open(.unspecific)),
            ("04 fde8 005a c0000201 ff ff 0001", .open(.unspecific)),
            ("04 fde8 005a c0000201 ff ff 0003 02 0001", .open(.unspecific)),
            ("04 fde8 005a c0000201 ff ff 0003 01 0000", .open(.unsupportedParameter)),
        ]
        for (body, notification) in cases {
            #expect(self.read(hex(body)) == .failure(notification), "\(body)")
        }
    }
}

@Suite("NOTIFICATION in words")
struct NotificationTests {
    @Test(
        "codes and subcodes",
        arguments: [
            ("06 02", "Cease/Administrative Shutdown"),
            ("06 09 04 00", "Cease/Hard Reset: Hold Timer Expired"),
            ("06 07", "Cease/Connection Collision Resolution"),
            ("06 63", "Cease/subcode 99"),
            ("04 00", "Hold Timer Expired"),
            ("05 03", "Finite State Machine Error/Unexpected Message in Established State"),
            (
                "05 02 02",
                "Finite State Machine Error/Unexpected Message in OpenConfirm State: UPDATE"
            ),
            (
                "05 01 63",
                "Finite State Machine Error/Unexpected Message in OpenSent State: data 63"
            ),
            (
                "06 01 0002 01 00000064",
                "Cease/Maximum Number of Prefixes Reached: at most 100 of IPv6 unicast"
            ),
            (
                "06 01 0019 41 00000064",
                "Cease/Maximum Number of Prefixes Reached: data 00194100000064"
            ),
            (
                "06 09 06 02 03 627965",
                "Cease/Hard Reset: Cease/Administrative Shutdown: \"bye\""
            ),
            ("06 09 06 09", "Cease/Hard Reset: data 0609"),
            ("06 0a", "Cease/BFD Down"),
            ("02 0b", "OPEN Message Error/Role Mismatch"),
            ("02 07 01040002 0001", "OPEN Message Error/Unsupported Capability: IPv6 unicast"),
            ("02 07 01", "OPEN Message Error/Unsupported Capability: data 01"),
            ("01 02 0012", "Message Header Error/Bad Message Length: 18"),
            ("02 02", "OPEN Message Error/Bad Peer AS"),
            (
                "02 01 0004",
                "OPEN Message Error/Unsupported Version Number: it speaks at most 4"
            ),
            ("03 09 800e00", "UPDATE Message Error/Optional Attribute Error: data 800e00"),
            ("07 01", "ROUTE-REFRESH Message Error/Invalid Message Length"),
            ("08 00", "Send Hold Timer Expired"),
            ("63 01", "code 99/subcode 1"),
        ])
    func words(bytes: String, words: String) {
        #expect(notification(hex(bytes))?.description == words)
    }

    @Test("a shutdown's message (RFC 9003), in UTF-8 or escaped")
    func shutdownMessage() {
        func words(_ text: [UInt8]) -> String? {
            notification(([6, 2, UInt8(text.count)] + text))?.description
        }
        #expect(words(Array("moving".utf8)) == "Cease/Administrative Shutdown: \"moving\"")
        #expect(words(Array("déjà vu ✓".utf8)) == "Cease/Administrative Shutdown: \"déjà vu ✓\"")
        #expect(words([0xff, 0x41]) == "Cease/Administrative Shutdown: \"\\xffA\"")
        #expect(
            words(Array("a\u{1b}[31m\n".utf8))
                == "Cease/Administrative Shutdown: \"a\\u{1b}[31m\\u{a}\"")
        #expect(words([]) == "Cease/Administrative Shutdown")
        let short = notification(hex("06 04 09 41"))
        #expect(short?.description == "Cease/Administrative Reset: data 0941")
    }

    @Test("our own message is cut between characters")
    func longMessage() {
        let notification = Notification.cease(
            .administrativeShutdown, message: String(repeating: "é", count: 300))
        #expect(notification.data.count == 1 + 254)
        #expect(notification.shutdownMessage == String(repeating: "é", count: 127))
    }

    @Test("a Hard Reset has its cause in it (RFC 8538 §3.1)")
    func hardReset() {
        let shutdown = Notification.cease(.administrativeShutdown, message: "bye")
        #expect(shutdown.hardened.isHardReset)
        #expect(shutdown.hardened.cause == shutdown)
        #expect(shutdown.cause == shutdown)
        #expect(notification(hex("06 09"))?.cause == notification(hex("06 09")))
    }

    @Test("a bound of prefixes is told (RFC 4486 §4)")
    func maximumPrefixes() {
        let limit = Notification.maximumPrefixes(.ipv6, bound: 1_000_000)
        #expect(limit.data == hex("0002 01 000f4240"))
        #expect(
            limit.description
                == "Cease/Maximum Number of Prefixes Reached: at most 1000000 of IPv6 unicast")
    }

    @Test("a message of 255 bytes fits (RFC 9003)")
    func fullMessage() {
        let text = String(repeating: "x", count: 255)
        let sent = Notification.cease(.administrativeReset, message: text + "y")
        #expect(sent.data.count == 256)
        #expect(sent.shutdownMessage == text)
    }

    @Test("less than a code and a subcode is none")
    func short() {
        #expect(notification(([] as [UInt8])) == nil)
        #expect(notification(([6] as [UInt8])) == nil)
    }
}

@Suite("What can be sent")
struct OutgoingMessageTests {
    static let all: [OutgoingMessage] = [
        .open(
            OpenMessage(
                asNumber: 65000, holdTimeSeconds: 90, identifier: 1,
                capabilities: [.routeRefresh])),
        .keepalive, .notification(.cease(.administrativeShutdown, message: "bye")),
        .notification(Notification(.update, 1, data: [UInt8](repeating: 1, count: 9000))),
        .routeRefresh(.ipv4), .routeRefresh(.ipv6), .endOfRIB(.ipv4), .endOfRIB(.ipv6),
    ]

    @Test("has a sound header, and no route in it", arguments: all)
    func frames(message: OutgoingMessage) throws {
        let bytes = message.encoded()
        let frame = try MessageFrame.read(bytes.span.bytes, at: 0, extendedMessages: false)
        #expect(frame == MessageFrame(type: message.type, length: bytes.count))
        guard message.type == .update else { return }
        let body = Array(bytes.dropFirst(19))
        let update = UpdateDecoding.decode(body)
        #expect(update.endOfRIB != nil)
        let (withdrawn, announced) = try update.changes(in: body)
        #expect(withdrawn.isEmpty && announced.isEmpty)
    }

    @Test("a refresh request comes back as it was sent (RFC 2918 §3)")
    func refreshRequest() throws {
        let bytes = OutgoingMessage.routeRefresh(.ipv6).encoded()
        #expect(Array(bytes.dropFirst(16)) == hex("0017 05 0002 00 01"))
        let request = try refresh(hex("0002 00 01"))
        #expect(request.family == .ipv6)
        #expect(request.subtype == .request)
    }

    @Test("borders of a refresh have four bytes (RFC 7313 §5)")
    func borders() throws {
        #expect(try refresh(hex("0001 01 01")).subtype == .beginning)
        let long = hex("0001 01 01 00")
        let whole = [UInt8](repeating: 0xff, count: 16) + hex("0018 05") + long
        #expect(throws: Notification(.routeRefresh, 1, data: whole)) { try refresh(long) }
        // Filters after a request that nobody asked for (RFC 5291).
        #expect(try refresh(hex("0001 00 01 01 80 0000")).subtype == .request)
        let unknown = try refresh(hex("0001 09 01 00"))
        #expect(unknown.subtype.rawValue == 9)
        #expect(throws: Notification.self) {
            try refresh(hex("0001"))
        }
    }
}
