// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire
import Testing

/// A record's data as people write them, as they print, and on the wire.
struct RecordExample: Sendable, CustomTestStringConvertible {
    var type: String
    var text: String
    /// Nil where it prints as it was written.
    var printed: String?
    var wire: String

    init(_ type: String, _ text: String, printed: String? = nil, wire: String) {
        self.type = type
        self.text = text
        self.printed = printed
        self.wire = wire
    }

    var testDescription: String { "\(self.type) \(self.text)" }
}

@Suite("Record data as text")
struct RecordTextTests {
    private func parse(_ type: String, _ text: String) throws -> RecordData {
        let type = try #require(RecordType(parsing: type))
        return try RecordData(parsing: text, type: type, relativeTo: name("example.com"))
    }

    /// Wire forms as BIND 9.18's named-rrchecker -u prints them, or from the RFC that is named.
    static let examples = [
        RecordExample("A", "192.0.2.1", wire: "c0000201"),
        RecordExample(
            "AAAA", "2001:DB8::1", printed: "2001:db8::1", wire: "20010db8000000000000000000000001"),
        RecordExample(
            "NS", "ns1", printed: "ns1.example.com.", wire: "036e7331076578616d706c6503636f6d00"),
        RecordExample("CNAME", "@", printed: "example.com.", wire: "076578616d706c6503636f6d00"),
        RecordExample("DNAME", "a.b.", wire: "0161016200"),
        RecordExample(
            "SOA", "a. b. ( 7 1h 10m 2w1d 60 )", printed: "a. b. 7 3600 600 1296000 60",
            wire: "0161000162000000000700000e10000002580013c6800000003c"),
        RecordExample("MX", "10 mail.", wire: "000a046d61696c00"),
        RecordExample("MX", "0 .", wire: "000000"),
        RecordExample("TXT", "\"a b\" \"\"", wire: "0361206200"),
        RecordExample(
            "TXT", #""quote \" slash \\ nul \000""#,
            wire: "157175 6f7465202220736c617368205c206e756c2000"),
        RecordExample("TXT", "plain;comment", printed: "\"plain\"", wire: "05706c61696e"),
        RecordExample(
            "HINFO", "PC \"Linux 6\"", printed: "\"PC\" \"Linux 6\"", wire: "025043074c696e75782036"
        ),
        RecordExample("SRV", "0 5 5060 sip.", wire: "0000000513c40373697000"),
        RecordExample(
            "NAPTR", "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.com!\" .",
            wire:
                "0064000a01750745 32552b736970 1b215e2e2a24217369703a696e666f406578616d706c652e636f6d2100"
        ),
        RecordExample("RP", "admin. info.", wire: "0561646d696e0004696e666f00"),
        RecordExample("AFSDB", "1 afs.", wire: "00010361667300"),
        RecordExample("KX", "2 kx.", wire: "0002026b7800"),
        RecordExample(
            "SSHFP", "2 1 123456789ABCDEF6789 0123456789ABCDEF67890",
            printed: "2 1 123456789abcdef67890123456789abcdef67890",
            wire: "0201123456789abcdef67890123456789abcdef67890"),
        RecordExample("TLSA", "3 1 0 d2ab", wire: "030100d2ab"),
        RecordExample(
            "SMIMEA", "3 1 1 " + String(repeating: "ab", count: 32),
            wire: "030101" + String(repeating: "ab", count: 32)),
        RecordExample("OPENPGPKEY", "AQI DBA ==", printed: "AQIDBA==", wire: "01020304"),
        RecordExample(
            "DS", "60485 RSASHA1 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
            printed: "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118",
            wire: "ec4505012bb183af5f22588179a53b0a98631fad1a292118"),
        RecordExample("CDS", "0 0 0 00", wire: "0000000000"),
        RecordExample("KEY", "256 3 8 AwEAAQ==", wire: "0100030803010001"),
        // RFC 4025 §3.2.
        RecordExample(
            "IPSECKEY", "10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
            wire:
                "0a0102c0000226010351537986ed35533b6064478eeeb27b5bd74dae149b6e81ba3a0521af82ab7801"
        ),
        RecordExample("IPSECKEY", "10 0 0 .", wire: "0a0000"),
        RecordExample("IPSECKEY", "10 0 2 . AQID", wire: "0a0002010203"),
        RecordExample("IPSECKEY", "10 3 2 gw. AQID", wire: "0a0302" + "02677700" + "010203"),
        RecordExample(
            "IPSECKEY", "10 2 2 2001:DB8::1 AQ ID", printed: "10 2 2 2001:db8::1 AQID",
            wire: "0a020220010db8000000000000000000000001010203"),
        RecordExample("MD", "a.", wire: "016100"), RecordExample("MF", "a.", wire: "016100"),
        RecordExample("X25", "\"311061700956\"", wire: "0c333131303631373030393536"),
        RecordExample(
            "ISDN", "\"150862028003217\" \"004\"", wire: "0f31353038363230323830303332313703303034"),
        RecordExample("PX", "10 a. b.", wire: "000a016100016200"),
        RecordExample(
            "GPOS", "\"-32.6882\" \"116.8652\" \"10.0\"",
            wire: "082d33322e36383832083131362e383635320431302e30"),
        RecordExample("NINFO", "\"x\"", wire: "0178"),
        RecordExample("AVC", "\"x\" \"y\"", wire: "01780179"),
        RecordExample("DNSKEY", "256 3 8 AwEAAQ==", wire: "010003080301000 1"),
        RecordExample(
            "CERT", "PKIX 1 RSASHA256 AQID", printed: "1 1 8 AQID", wire: "0001000108010203"),
        RecordExample(
            "DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
            wire: "000201636fc0b8271c82825bb1ac5c41cf5351aa69b4febd94e8f17cdb95000da48c40"),
        RecordExample(
            "CAA", "0 issue \"ca.example.net; account=230123\"",
            wire: "00056973737565" + "63612e6578616d706c652e6e65743b206163636f756e743d323330313233"),
        RecordExample(
            "CAA", "128 tbs Unknown", printed: "128 tbs \"Unknown\"",
            wire: "80037462 73556e6b6e6f776e"),
        RecordExample("CAA", "0 issue \"\"", wire: "00056973737565"),
        RecordExample("URI", "10 1 \"ftp://x/\"", wire: "000a00016674703a2f2f782f"),
        RecordExample("CSYNC", "66 3 A NS AAAA", wire: "0000004200030004 60000008"),
        RecordExample("CSYNC", "0 0", wire: "000000000000"),
        RecordExample(
            "EUI48", "00-00-5E-00-53-2a", printed: "00-00-5e-00-53-2a", wire: "00005e00532a"),
        RecordExample("EUI64", "00-00-5e-ef-10-00-00-2a", wire: "00005eef1000002a"),
        RecordExample(
            "NID", "10 14:4fff:ff20:ee64", printed: "10 0014:4fff:ff20:ee64",
            wire: "000a00144fffff20ee64"),
        RecordExample("L32", "10 10.1.2.0", wire: "000a0a010200"),
        RecordExample("L64", "10 2001:0db8:1140:1000", wire: "000a20010db811401000"),
        RecordExample("LP", "10 l64.", wire: "000a036c363400"),
        RecordExample(
            "APL", "1:192.168.32.0/21 !1:192.168.38.0/28", wire: "00011503c0a8200001 1c83c0a826"),
        RecordExample("APL", "2:FF00:0:0:0:0:0:0:0/8", printed: "2:ff00::/8", wire: "00020801ff"),
        RecordExample("APL", "", wire: ""),
        RecordExample(
            "WKS", "10.0.0.1 TCP smtp 80 ftp", printed: "10.0.0.1 6 21 25 80",
            wire: "0a000001060000044000000000000080"),
        RecordExample(
            "WKS", "10.0.0.1 udp ( domain )", printed: "10.0.0.1 17 53",
            wire: "0a0000011100000000000004"),
        RecordExample("WKS", "10.0.0.1 6", wire: "0a00000106"),
        RecordExample(
            "WKS", "10.0.0.1 255 65535",
            wire: "0a000001ff" + String(repeating: "00", count: 8191) + "01"),
        // RFC 1706 §7.
        RecordExample(
            "NSAP", "0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00",
            printed: "0x47000580005a0000000001e133ffffff00016100",
            wire: "47000580005a0000000001e133ffffff00016100"),
        RecordExample("NSAP-PTR", "a.b.", wire: "0161016200"),
        RecordExample("EID", "1289 AB", printed: "1289ab", wire: "1289ab"),
        RecordExample("NIMLOC", "1289ab", wire: "1289ab"),
        RecordExample("SINK", "8 0 2 AQID", wire: "080002010203"),
        RecordExample("SINK", "8 0 2", wire: "080002"),
        RecordExample("TALINK", ". a.", wire: "00016100"),
        RecordExample("RKEY", "0 255 5 AQID", wire: "0000ff05010203"),
        RecordExample(
            "DLV", "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118",
            wire: "ec4505012bb183af5f22588179a53b0a98631fad1a292118"),
        RecordExample(
            "TA", "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118",
            wire: "ec4505012bb183af5f22588179a53b0a98631fad1a292118"),
        // RFC 8005 §6.
        RecordExample(
            "HIP",
            """
            ( 2 200100107B1A74DF365639CC39F1D578
            AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e19WzK00+CI6zBCQTdtWsuxKbWIy87UOoJTwkUs7lBu+Upr1gsNrut79ryra+bSRGQb1slImA8YVJyuIDsj7kwzG7jnERNqnWxZ48AWkskmdHaVDP4BcelrTI3rMXdXF5D
            rvs1.example.com. rvs2 )
            """,
            printed: "2 200100107b1a74df365639cc39f1d578 "
                + "AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e19WzK00+CI6zB"
                + "CQTdtWsuxKbWIy87UOoJTwkUs7lBu+Upr1gsNrut79ryra+bSRGQb1slImA8"
                + "YVJyuIDsj7kwzG7jnERNqnWxZ48AWkskmdHaVDP4BcelrTI3rMXdXF5D"
                + " rvs1.example.com. rvs2.example.com.",
            wire: "10020084200100107b1a74df365639cc39f1d578"
                + "03010001b771ca136e4aeb5ce44333c53b3d2c13c22243851fc708bcce29f7e2eb5787b5"
                + "f56ccad34f8223acc10904ddb56b2ec4a6d6232f3b50ea094f0914b3b941bbe529af582c"
                + "36bbadefdaf2adaf9b4911906f5b2522603c615272b880ec8fb930cc6ee39c444daa75b1"
                + "678f005a4b2499d1da5433f805c7a5ad3237acc5dd5c5e43"
                + "0472767331076578616d706c6503636f6d000472767332076578616d706c6503636f6d00"),
        RecordExample(
            "HIP", "2 200100107b1a74df365639cc39f1d578 AQID",
            wire: "10020003200100107b1a74df365639cc39f1d578010203"),
        // RFC 8777 §4.3.
        RecordExample("AMTRELAY", "10 0 1 203.0.113.15", wire: "0a01cb00710f"),
        RecordExample(
            "AMTRELAY", "10 0 2 2001:DB8::15", printed: "10 0 2 2001:db8::15",
            wire: "0a0220010db8000000000000000000000015"),
        RecordExample(
            "AMTRELAY", "128 1 3 amtrelays.example.com.",
            wire: "808309616d7472656c617973076578616d706c6503636f6d00"),
        RecordExample("AMTRELAY", "10 1 0 .", wire: "0a80"),
        RecordExample(
            "RESINFO", "qnamemin exterr=15-17",
            printed: "\"qnamemin\" \"exterr=15-17\"",
            wire: "08716e616d656d696e0c6578746572723d31352d3137"),
        RecordExample("WALLET", "\"BTC\" \"abc\"", wire: "0342544303616263"),
        RecordExample(
            "DSYNC", "CDS NOTIFY 5359 cds-scanner.example.net.",
            printed: "CDS 1 5359 cds-scanner.example.net.",
            wire: "003b0114ef0b6364732d7363616e6e6572076578616d706c65036e657400"),
        RecordExample("HHIT", "AQ ID", printed: "AQID", wire: "010203"),
        RecordExample("BRID", "AQID", wire: "010203"),
        RecordExample(
            "ZONEMD", "2018031500 1 1 " + String(repeating: "fe", count: 48),
            wire: "7848b78c0101" + String(repeating: "fe", count: 48)),
        RecordExample(
            "TYPE731", "\\# 6 abcdef 012345", printed: "\\# 6 abcdef012345", wire: "abcdef012345"),
        RecordExample("TYPE62347", "\\# 0", wire: ""),
        RecordExample("A", "\\# 4 0A000001", printed: "10.0.0.1", wire: "0a000001"),
        RecordExample("TYPE1", "\\# 4 0a000001", printed: "10.0.0.1", wire: "0a000001"),
        // RFC 1876 §4 and appendix A.
        RecordExample(
            "LOC", "42 21 54 N 71 06 18 W -24m 30m",
            printed: "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m",
            wire: "0033161389172dd070be15f000988d20"),
        RecordExample(
            "LOC", "52 14 05.5 N 0 8 0 E 50.25m 1m 10m 5.01m",
            printed: "52 14 5.500 N 0 8 0.000 E 50.25m 1.00m 10.00m 5.00m",
            wire: "00121352" + "8b3558bc" + "80075300" + "0098aa21"),
        // RFC 9460 appendix D.
        RecordExample(
            "HTTPS", "0 foo.example.com.", wire: "000003666f6f076578616d706c6503636f6d00"),
        RecordExample("SVCB", "1 .", wire: "000100"),
        RecordExample(
            "SVCB", "16 foo.example.com. port=53",
            wire: "001003666f6f076578616d706c6503636f6d00000300020035"),
        RecordExample(
            "SVCB", "1 foo.example.com. key667=hello",
            wire: "000103666f6f076578616d706c6503636f6d00029b000568656c6c6f"),
        RecordExample(
            "SVCB", #"1 foo.example.com. key667="hello\210qoo""#,
            wire: "000103666f6f076578616d706c6503636f6d00029b000968656c6c6fd2716f6f"),
        RecordExample(
            "SVCB", #"1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1""#,
            printed: "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1",
            wire:
                "000103666f6f076578616d706c6503636f6d000006002020010db800000000000000000000000120010db8000000000000000000530001"
        ),
        RecordExample(
            "SVCB",
            #"16 foo.example.org. (alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1)"#,
            printed: "16 foo.example.org. mandatory=alpn,ipv4hint alpn=h2,h3-19 ipv4hint=192.0.2.1",
            wire: "001003666f6f076578616d706c65036f726700" + "0000000400010004"
                + "000100090268320568332d3139" + "00040004c0000201"),
        RecordExample(
            "SVCB", #"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
            wire: "001003666f6f076578616d706c65036f7267000001000c08665c6f6f2c626172026832"),
        RecordExample(
            "HTTPS", "1 . no-default-alpn alpn=h3 ech=AQID",
            printed: "1 . alpn=h3 no-default-alpn ech=AQID",
            wire: "00010000010003026833000200000005000301 0203"),
    ]

    @Test("is read, printed, and the same on the wire", arguments: examples)
    func good(example: RecordExample) throws {
        let data = try self.parse(example.type, example.text)
        #expect(data.wire == hex(example.wire))
        #expect(data.description == example.printed ?? example.text)
        // What prints reads again, with and without RFC 3597's form, and from a message.
        #expect(try self.parse(example.type, data.description) == data)
        let unknown = "\\# \(data.wire.count) " + example.wire
        #expect(try self.parse(example.type, unknown) == data)
        let owner = name("x.example.com")
        let message = Message(
            identifier: 1, answers: [ResourceRecord(owner, timeToLive: 5, data)])
        #expect(try readMessage(MessageWriter.encode(message)) == message)
    }

    @Test(
        "is refused where it is wrong, with the place",
        arguments: [
            ("A", "", 0, "A's address is missing"),
            ("A", "192.0.2", 0, "here must be an address, not '192.0.2'"),
            ("A", "2001:db8::1", 0, "here must be an IPv4 address, not '2001:db8::1'"),
            ("AAAA", "192.0.2.1", 0, "here must be an IPv6 address, not '192.0.2.1'"),
            ("A", "192.0.2.1 x", 10, "'x' is more than the data of A have"),
            ("MX", "x mail", 0, "here must be MX's preference, a number from 0 to 65535, not 'x'"),
            ("MX", "65536 mail", 0, "here must be MX's preference"),
            ("MX", "10", 2, "MX's mail server is missing"),
            ("MX", "10 a..b", 3, "here must be a domain name, not 'a..b': a name has no empty"),
            ("NS", "\"ns1\"", 1, "here must be a domain name without quotes"),
            ("TXT", "\"open", 0, "the quoted text that begins here doesn't end in its line"),
            ("IPSECKEY", "10 4 2 . AQID", 3, "here must be a gateway type from 0 to 3, not '4'"),
            ("IPSECKEY", "10 0 2 a. AQID", 7, "here must be a dot for no gateway, not 'a.'"),
            ("IPSECKEY", "10 1 2 a. AQID", 7, "here must be an address, not 'a.'"),
            ("TXT", #"\300"#, 0, "a backslash stands before three digits up to 255"),
            ("TXT", String(repeating: "x", count: 256), 0, "at most 255 bytes, not 256"),
            ("SOA", "a. b. ( 1 2 3 4 5", 6, "the parenthesis that opens here is never closed"),
            ("TXT", "( ( a ) )", 2, "a parenthesis is open already"),
            ("TXT", "a )", 2, "no parenthesis is open"),
            ("SOA", "a. b. 1 2 3x 4 5", 10, "SOA's retry in seconds, or as 1h30m, not '3x'"),
            ("SSHFP", "1 1 abcd", 4, "a digest of this kind has 20 bytes, not 2"),
            ("DS", "1 8 2 xy", 6, "DS's digest in hexadecimal, not 'xy'"),
            ("DNSKEY", "256 3 8 A", 8, "DNSKEY's key in base64, not 'A'"),
            ("CAA", "0 is-sue x", 2, "CAA's property of letters and digits, not 'is-sue'"),
            ("URI", "1 1 \"\"", 5, "here must be URI's target, which isn't empty"),
            ("EUI48", "00-00-5e-00-53", 0, "here must be EUI48's address, as ff-ff-ff-ff-ff-ff"),
            ("LOC", "91 N 0 E 0m", 0, "a latitude in degrees"),
            ("LOC", "90 1 N 0 E 0m", 7, "a latitude of at most 90 degrees"),
            ("LOC", "1 N 1 E", 7, "an altitude from -100000.00m to 42849672.95m is missing"),
            ("LOC", "1 N 1 E 0m 99999999m", 11, "a length from 0m to 90000000.00m"),
            ("APL", "3:1.2.3.4/8", 0, "APL's prefix, as 1:192.0.2.0/24, not '3:1.2.3.4/8'"),
            ("SVCB", "1 . foo=1", 4, "'foo=1' is no parameter of a service"),
            ("SVCB", "1 . port=x", 9, "here must be a value of port, not 'x'"),
            ("SVCB", "1 . port=1 port=2", 11, "the parameter port stands twice"),
            ("SVCB", "1 . no-default-alpn", 4, "no-default-alpn stands beside alpn"),
            ("SVCB", "1 . mandatory=port", 4, "mandatory names port, which isn't there"),
            ("SVCB", "1 . mandatory=mandatory", 4, "mandatory doesn't name itself"),
            ("SVCB", "1 . key1=h2", 4, "alpn names protocols"),
            ("SVCB", "1 . key65535=x", 4, "'key65535=x' is no parameter of a service"),
            ("WKS", "10.0.0.1 x", 9, "WKS's protocol, a number from 0 to 255, not 'x'"),
            ("WKS", "10.0.0.1 6 nothing", 11, "WKS's port, a number from 0 to 65535"),
            ("WKS", "10.0.0.1 6 65536", 11, "WKS's port, a number from 0 to 65535"),
            ("WKS", "\\# 6 0a0000010600", 0, "these bytes are no data of WKS"),
            ("NSAP", "47.0005", 0, "here must be NSAP's address, as 0x47.0005, not '47.0005'"),
            ("NSAP", "0x470", 0, "here must be NSAP's address, as 0x47.0005"),
            ("NSAP", "0x", 0, "here must be NSAP's address, as 0x47.0005"),
            ("HIP", "2 xy AQID", 2, "here must be HIP's tag in hexadecimal, not 'xy'"),
            ("HIP", "2 00 A", 5, "here must be HIP's key in base64, not 'A'"),
            ("HIP", "2 00", 4, "HIP's key in base64 is missing"),
            ("HIP", "2 00 AQID a..b", 10, "here must be a domain name, not 'a..b'"),
            ("HIP", "\\# 4 00020001", 0, "these bytes are no data of HIP"),
            ("HIP", "\\# 7 0102000100ffc0", 0, "these bytes are no data of HIP"),
            ("AMTRELAY", "10 2 0 .", 3, "AMTRELAY's discovery, a number from 0 to 1, not '2'"),
            ("AMTRELAY", "10 0 4 .", 5, "AMTRELAY's relay type, a number from 0 to 3, not '4'"),
            ("AMTRELAY", "10 0 1 ::", 7, "here must be an IPv4 address, not '::'"),
            ("AMTRELAY", "10 1 0", 6, "AMTRELAY's relay is missing"),
            ("AMTRELAY", "\\# 3 0a0100", 0, "these bytes are no data of AMTRELAY"),
            ("DLV", "1 8 2 00", 6, "a digest of this kind has 32 bytes, not 1"),
            ("DSYNC", "X 1 1 a.", 0, "here must be DSYNC's type, not 'X'"),
            ("DSYNC", "CDS X 1 a.", 4, "DSYNC's scheme, a number from 0 to 255, not 'X'"),
            ("TYPE731", "abc", 0, "data of TYPE731 are written as \\# COUNT HEXADECIMAL"),
            ("TYPE731", "\\# 2 abcdef", 0, "here must be 2 bytes in hexadecimal, not 3"),
            ("TYPE731", "\\# 2 abxy", 5, "here must be bytes in hexadecimal, not 'abxy'"),
            ("A", "\\# 3 0a0000", 0, "these bytes are no data of A"),
            ("NS", "\\# 2 c00c", 0, "these bytes are no data of NS"),
        ])
    func bad(type: String, text: String, offset: Int, complaint: String) throws {
        do {
            let data = try self.parse(type, text)
            Issue.record("read as \(data)")
        } catch let error as RecordTextError {
            #expect(error.offset == offset)
            #expect(error.description.contains(complaint), "\(error)")
        }
    }

    @Test("of bytes that are none of the type prints as bytes")
    func unreadable() {
        #expect(RecordData.opaque(.a, [1, 2, 3]).description == "\\# 3 010203")
        #expect(RecordData.opaque(.https, [0, 1, 0, 0, 9]).description == "\\# 5 0001000009")
        #expect(RecordData.opaque(RecordType(rawValue: 731), []).description == "\\# 0")
    }

    @Test("of a type knows the type by name, number and case")
    func types() {
        #expect(RecordType(parsing: "aaaa") == .aaaa)
        #expect(RecordType(parsing: "Type28") == .aaaa)
        #expect(RecordType(parsing: "TYPE65535")?.rawValue == 65_535)
        #expect(RecordType(parsing: "TYPE65536") == nil)
        #expect(RecordType(parsing: "TYPE+1") == nil)
        #expect(RecordType(parsing: "TYPE") == nil)
        #expect(RecordType(parsing: "bogus") == nil)
        for value in 0...65_535 as ClosedRange<UInt16> {
            let type = RecordType(rawValue: value)
            #expect(RecordType(parsing: type.description) == type)
        }
    }

    @Test("holds whatever bytes a name or a text may have")
    func anyBytes() throws {
        let seed: UInt64 = 1035
        var generator = SeededGenerator(seed: seed)
        for round in 0..<300 {
            let bytes = (0..<Int.random(in: 1...63, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let owner = try name("example.com").child(bytes)
            for data in [RecordData.text(strings: [bytes]), .nameServer(owner), .alias(owner)] {
                let again = try RecordData(parsing: data.description, type: data.type)
                #expect(again.wire == data.wire, "seed \(seed), round \(round)")
            }
        }
    }
}
