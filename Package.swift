// swift-tools-version: 6.2
// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let posix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let embedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let tls = Target.Dependency.product(
    name: "NIOSSL", package: "swift-nio-ssl", condition: .when(traits: ["TLS"]))
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martletd", targets: ["martletd"]),
        .executable(name: "martlet", targets: ["martlet"]),
        // For packages of their own: Tools/Benchmarks.
        .library(
            name: "MartletRooms", targets: ["Addressing", "RouteTable", "RouteFiles", "Choice"]),
    ],
    traits: [
        .trait(name: "TLS", description: "DNS over TLS, by BoringSSL."),
        .default(enabledTraits: ["TLS"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // Floor 0: C that Swift can't see. No policy.
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
        .systemLibrary(
            name: "CBSD", pkgConfig: "libbsd", providers: [.apt(["libbsd-dev"])]),
        .systemLibrary(name: "CReadline", providers: [.apt(["libreadline-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CBzip2", providers: [.apt(["libbz2-dev"])]),
        .systemLibrary(
            name: "CMaxMindDB", pkgConfig: "libmaxminddb", providers: [.apt(["libmaxminddb-dev"])]
        ),

        // Floor 1
        .target(name: "Addressing"),
        .target(name: "JSON"),

        // Floor 2
        .target(name: "RouteTable", dependencies: ["Addressing", "CLinux"]),
        .target(name: "BGPWire", dependencies: ["Addressing"]),
        .target(
            name: "RouteFiles",
            dependencies: ["Addressing", "BGPWire", "CLinux", "CZlib", "CBzip2", "CMaxMindDB"]),
        .target(name: "DNSWire", dependencies: ["Addressing"]),
        .target(name: "OriginValidation", dependencies: ["Addressing"]),

        // Floor 3
        .target(name: "BGPSession", dependencies: ["BGPWire", "Addressing"]),
        .target(name: "Choice", dependencies: ["RouteTable", "Addressing"]),
        .target(name: "FeedRules", dependencies: ["BGPWire", "Addressing"]),

        // Floor 4
        .target(
            name: "BGPSpeaker",
            dependencies: [
                "BGPSession", "FeedRules", "OriginValidation", "RouteFiles", "RouteTable",
                "BGPWire", "Addressing", "CLinux", nio, posix, logging,
            ]),
        .target(
            name: "DNSFront",
            dependencies: [
                "DNSWire", "Choice", "RouteTable", "Addressing", "JSON", "CLinux", nio, posix,
                tls, logging,
            ]),
        .target(
            name: "Console",
            dependencies: [
                "Choice", "RouteTable", "Addressing", "JSON", "CLinux", nio, posix, logging,
            ]),

        // Floor 5
        .target(
            name: "Configuration",
            dependencies: [
                "Addressing", "RouteTable", "BGPWire", "RouteFiles", "DNSWire", "BGPSession",
                "Choice", "FeedRules", "OriginValidation", "BGPSpeaker", "DNSFront", "Console",
                yams,
                nio,
            ]),

        // Floor 6
        .executableTarget(
            name: "martletd",
            dependencies: [
                "Addressing", "RouteTable", "BGPWire", "RouteFiles", "BGPSession", "Choice",
                "BGPSpeaker", "FeedRules", "OriginValidation", "DNSFront", "Console",
                "Configuration",
                "CLinux", "CBSD", nio, posix, logging, lifecycle, arguments,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        .executableTarget(
            name: "martlet",
            dependencies: [
                "Addressing", "RouteTable", "BGPWire", "RouteFiles", "Choice", "BGPSpeaker",
                "Console", "Configuration", "CReadline", "CLinux", arguments, logging,
            ]),

        .testTarget(name: "AddressingTests", dependencies: ["Addressing"]),
        .testTarget(name: "RouteTableTests", dependencies: ["RouteTable", "Addressing"]),
        .testTarget(name: "BGPWireTests", dependencies: ["BGPWire", "Addressing"]),
        .testTarget(
            name: "RouteFilesTests",
            dependencies: ["RouteFiles", "BGPWire", "Addressing", "CZlib", "CBzip2"]),
        .testTarget(name: "DNSWireTests", dependencies: ["DNSWire", "Addressing"]),
        .testTarget(
            name: "OriginValidationTests", dependencies: ["OriginValidation", "Addressing"]),
        .testTarget(
            name: "BGPSessionTests", dependencies: ["BGPSession", "BGPWire", "Addressing"]),
        .testTarget(
            name: "FeedRulesTests", dependencies: ["FeedRules", "BGPWire", "Addressing"]),
        .testTarget(
            name: "ChoiceTests",
            dependencies: [
                "Choice", "RouteTable", "RouteFiles", "BGPSpeaker", "BGPWire", "Addressing",
            ]),
        .testTarget(
            name: "BGPSpeakerTests",
            dependencies: [
                "BGPSpeaker", "BGPSession", "FeedRules", "BGPWire", "OriginValidation",
                "RouteFiles", "RouteTable", "Addressing", nio, posix, embedded, logging,
            ]),
        .testTarget(
            name: "DNSFrontTests",
            dependencies: [
                "DNSFront", "DNSWire", "Choice", "BGPSpeaker", "RouteFiles", "RouteTable",
                "Addressing", "CAllocationCount", nio, posix, embedded, logging,
            ]),
        // Counts a test's allocations, standing before glibc's malloc.
        .target(name: "CAllocationCount", path: "Tests/CAllocationCount"),
        .testTarget(
            name: "ConsoleTests",
            dependencies: [
                "Console", "Choice", "RouteTable", "Addressing", nio, posix, embedded, logging,
            ]),
        .testTarget(
            name: "martletTests",
            dependencies: [
                "martlet", "Console", "Choice", "RouteTable", "Addressing", nio, posix, logging,
            ]),
        .testTarget(
            name: "ConfigurationTests",
            dependencies: [
                "Configuration", "Choice", "RouteTable", "DNSWire", "DNSFront", "BGPSpeaker",
                "BGPSession", "FeedRules", "OriginValidation", "Console", "Addressing", nio,
            ]),
    ]
)

// Every Swift target gets the same settings.
for target in package.targets
where target.type != .system && !["CLinux", "CAllocationCount"].contains(target.name) {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .treatAllWarnings(as: .error),
    ]
}

// The fuzzers (Tools/fuzz): one program, built only when asked for, with every Swift module
// instrumented for libFuzzer.
if Context.environment["MARTLET_FUZZ"] != nil {
    // Without the C that no parser needs: a malloc of its own upsets AddressSanitizer's start.
    package.targets = package.targets.filter {
        $0.type != .test && $0.type != .executable
            && !["CBSD", "CReadline", "CAllocationCount"].contains($0.name)
    }
    package.products = []
    let rooms = package.targets.map { Target.Dependency.target(name: $0.name) }
    package.targets += [
        .systemLibrary(name: "CFuzzer", path: "Tools/Fuzzers/CFuzzer"),
        .executableTarget(
            name: "martlet-fuzz", dependencies: rooms + ["CFuzzer", nio, embedded, yams],
            path: "Tools/Fuzzers/martlet-fuzz",
            swiftSettings: package.targets.first { $0.name == "Addressing" }?.swiftSettings,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]),
    ]
    for target in package.targets where target.swiftSettings != nil {
        target.swiftSettings?.append(.unsafeFlags(["-sanitize=fuzzer,address"]))
    }
}
