// swift-tools-version: 6.2
// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let package = Package(
    name: "martlet-benchmarks",
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        // Marks for callgrind (nothing where valgrind is missing), and what Glibc leaves out.
        .target(name: "CBenchmark"),
        .executableTarget(
            name: "martlet-bench",
            dependencies: ["CBenchmark", .product(name: "MartletRooms", package: "martlet")],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .treatAllWarnings(as: .error),
            ]),
    ]
)
