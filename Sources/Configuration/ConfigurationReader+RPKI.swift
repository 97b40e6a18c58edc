// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import OriginValidation

extension ConfigurationReader {
    /// `rpki: { caches: [{ address: 192.0.2.1, port: 3323 }], invalid: ignore }`.
    mutating func readRPKI(_ value: Value) {
        let keys = ["caches", "invalid", "refresh", "retry", "expire", "maximum-payloads"]
        guard let rpki = value.named("rpki").mapping(allowed: keys) else { return }
        var options = Configuration.RPKIOptions()
        var lines: [RTRCache: Int] = [:]
        for element in rpki.require("caches")?.elements("each of caches") ?? [] {
            guard let cache = self.cache(element) else { continue }
            let line = element.position.line
            if let first = lines.updateValue(line, forKey: cache) {
                element.complain("\(cache) stands twice among the caches: first on line \(first)")
            }
            options.caches.append(cache)
        }
        if let invalid = rpki["invalid"]?.choice(of: Configuration.InvalidRoutes.self) {
            options.invalid = invalid
        }
        // RFC 8210 §6, but that an operator may wait less for data to expire than a cache says.
        options.refresh = rpki["refresh"]?.duration(.seconds(1) ... .seconds(86_400))
        options.retry = rpki["retry"]?.duration(.seconds(1) ... .seconds(7200))
        options.expire = rpki["expire"]?.duration(.seconds(2) ... .seconds(172_800))
        if let expire = options.expire {
            // What the caches say may be longer: then only both together are safe.
            let refresh = options.refresh ?? RTRIntervals().refresh
            if expire <= refresh {
                rpki["expire"]?.complain(
                    "expire must be longer than refresh, which is \(Value.words(refresh)): "
                        + "payloads would expire between two answers")
            }
        }
        if let count = rpki["maximum-payloads"]?.integer(1000...20_000_000) {
            options.maximumPayloads = count
        }
        self.result.rpki = options
    }

    /// `192.0.2.1:3323`, or an address and perhaps a port.
    private func cache(_ value: Value) -> RTRCache? {
        guard value.isMapping else {
            return value.endpoint().map { RTRCache(address: $0.address, port: $0.port) }
        }
        guard let mapping = value.named("a cache").mapping(allowed: ["address", "port"]),
            let address = mapping.require("address")?.address()
        else { return nil }
        let port = mapping["port"]?.integer(1...65535).flatMap(UInt16.init)
        return RTRCache(address: address, port: port ?? Configuration.RPKIOptions.port)
    }
}
