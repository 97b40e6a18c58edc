// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CFuzzer
import Glibc

/// What a fuzzer does with one input: reads it, and checks what must hold of any input.
typealias Fuzzer = @Sendable (UnsafeRawBufferPointer) -> Void

/// The fuzzers by name, one for each parser that reads what comes from outside.
private let fuzzers: [String: Fuzzer] = [
    "addresses": fuzzAddresses,
    "attributes": fuzzAttributes,
    "bgp": fuzzUpdates,
    "bmp": fuzzBMP,
    "checkpoint": fuzzCheckpoints,
    "configuration": fuzzConfigurations,
    "console": fuzzConsole,
    "dns": fuzzDNS,
    "locationdatabase": fuzzLocationDatabases,
    "locations": fuzzLocations,
    "mrt": fuzzMRT,
    "open": fuzzOpens,
    "powerdns": fuzzRemoteBackend,
    "proxy": fuzzProxyHeaders,
    "roundtrips": fuzzRoundTrips,
    "routemap": fuzzRouteMaps,
    "rtr": fuzzRTR,
    "rules": fuzzRules,
    "session": fuzzSessions,
    "streams": fuzzStreams,
    "textdump": fuzzTextDumps,
    "zones": fuzzZones,
]

/// The one that this process runs. libFuzzer calls a C function without a context, so it is global.
private let chosen: Fuzzer? = CommandLine.arguments.dropFirst().first.flatMap { fuzzers[$0] }

/// `martlet-fuzz NAME [libFuzzer's options and folders]`; `martlet-fuzz --list` prints the names.
@main
enum Main {
    static func main() {
        if CommandLine.arguments.dropFirst().first == "--list" {
            print(fuzzers.keys.sorted().joined(separator: "\n"))
            return
        }
        guard chosen != nil else {
            print("usage: martlet-fuzz NAME [OPTION ...]; --list prints the names")
            exit(64)
        }
        // libFuzzer reads the rest; it must not take the fuzzer's name for a folder.
        var arguments = CommandLine.arguments
        arguments.remove(at: 1)
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var count = CInt(arguments.count)
        let status = pointers.withUnsafeMutableBufferPointer { buffer in
            var vector = buffer.baseAddress
            return LLVMFuzzerRunDriver(&count, &vector) { data, size in
                chosen?(UnsafeRawBufferPointer(start: data, count: size))
                return 0
            }
        }
        exit(status)
    }
}

/// Ends the process the way libFuzzer notices, with the reason on standard error.
func require(_ holds: Bool, _ reason: @autoclosure () -> String) {
    guard !holds else { return }
    fatalError("does not hold: \(reason())")
}
