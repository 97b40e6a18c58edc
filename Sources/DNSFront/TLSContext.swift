// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore

#if TLS
    import NIOSSL
#endif

/// A certificate with its key, ready for connections: all there is of the TLS library.
struct TLSContext: Sendable {
    let validity: TLSValidity

    /// What an error on a connection means.
    enum Failure {
        case handshake
        /// TCP has ended without TLS's own end. With lengths before all messages nothing is lost by it.
        case uncleanEnd
        case other
    }

    #if TLS
        private let context: NIOSSLContext

        /// Reads the files.
        init(_ files: TLSFiles) throws(TLSFileError) {
            let chain = try Self.chain(files.certificate)
            let key = try Self.key(files.key)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            // RFC 8310 §9: TLS 1.2 at least.
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["dot"]
            configuration.shutdownTimeout = .seconds(1)
            do {
                self.context = try NIOSSLContext(configuration: configuration)
            } catch {
                // The certificates are read by now, and nothing else of the configuration varies.
                throw .mismatch(files)
            }
            self.validity = TLSValidity(
                start: chain.map { Int64($0.notValidBefore) }.max() ?? 0,
                end: chain.map { Int64($0.notValidAfter) }.min() ?? 0)
        }

        private static func chain(_ path: String) throws(TLSFileError) -> [NIOSSLCertificate] {
            let bytes = try TLSFiles.read(path)
            guard let chain = try? NIOSSLCertificate.fromPEMBytes(bytes), !chain.isEmpty else {
                throw .noCertificate(path)
            }
            return chain
        }

        private static func key(_ path: String) throws(TLSFileError) -> NIOSSLPrivateKey {
            var status = stat()
            if stat(path, &status) == 0, status.st_mode & 0o007 != 0 { throw .openKey(path) }
            let bytes = try TLSFiles.read(path)
            guard !String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED") else {
                throw .encryptedKey(path)
            }
            guard !bytes.isEmpty, let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem)
            else { throw .noKey(path) }
            return key
        }

        static func failure(_ error: any Error) -> Failure {
            switch error {
            case NIOSSLError.handshakeFailed: .handshake
            case NIOSSLError.uncleanShutdown: .uncleanEnd
            default: .other
            }
        }
    #else
        init(_ files: TLSFiles) throws(TLSFileError) { throw .notBuilt }

        static func failure(_ error: any Error) -> Failure { .other }
    #endif

    /// Lets a connection begin with TLS. On its event loop.
    func begin(on channel: any Channel) throws {
        #if TLS
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLServerHandler(context: self.context))
        #endif
    }
}
