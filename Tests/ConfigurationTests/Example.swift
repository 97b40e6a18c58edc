// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The design's example file: as it stands, and with what later versions read left out.
enum Example {
    static let designed = """
        router: { as: 65000, id: 192.0.2.1 }
        listen:
          bgp: ["[::]:179"]
          console: ["127.0.0.1:7777", { address: "127.0.0.1:7778", face: machine }]
          socket: /run/martlet/console.sock      # $XDG_RUNTIME_DIR/martlet.sock when not root
          dns: ["[::]:53"]
        sites:
          sydney:
            { as: 64600, addresses: [210.18.215.100, "2001:db8:1::1"], location: AU, weight: 10 }
          amsterdam:
            { as: 64601, addresses: [193.173.27.8, "2001:db8:2::1"], location: NL, weight: 20 }
          tokyo:
            as: 64602
            addresses: [192.0.2.80]
            location: { latitude: 35.7, longitude: 139.7 }
        feeds:
          sydney-core:
            site: sydney
            bgp: { peer: 203.0.113.1, as: 65000, password-file: sydney.key }
          sydney-edge:
            site: sydney
            bgp: { peer: 203.0.113.9, as: 65000, connect: passive }
            rules: [ { community: "65000:666", reject: true } ]
          ams-dump:
            { site: amsterdam, mrt: { file: rib.20261101.0000.bz2, peer-as: 1103 } }
          tokyo-dump:
            { site: tokyo, mrt: { file: rib.20261101.0000.bz2, peer: 202.232.0.2 } }
        maps: [override.routes]
        location: { ranges: [/usr/share/tor/geoip, /usr/share/tor/geoip6] }
        zones:
          example.com:
            soa: { host: ns1.example.com, email: hostmaster@example.com }
            ns: [ns1.example.com, ns2.example.com]
            ttl: 300
            records:
              ns1: { a: 192.0.2.1 }
              ns2: { a: 192.0.2.2 }
              www: { nearest: [sydney, amsterdam, tokyo], ttl: 60, answers: 1 }
          example.net:
            file: zones/example.net.zone
            records: { www: { nearest: [sydney, tokyo], measure: cost } }

        """

    /// What this version reads of it.
    static let text = designed.replacing(", password-file: sydney.key", with: "")
}
