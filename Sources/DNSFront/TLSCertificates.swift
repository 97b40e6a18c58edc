// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Synchronization

/// All certificates of a server, one for each pair of files.
final class TLSCertificates: Sendable {
    private let certificates = Mutex<[TLSFiles: TLSCertificate]>([:])
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// The certificate in these files, which are read when it is first asked for.
    func certificate(in files: TLSFiles) throws(TLSFileError) -> TLSCertificate {
        if let known = self.certificates.withLock({ $0[files] }) { return known }
        let certificate = try TLSCertificate(files)
        self.certificates.withLock { $0[files] = certificate }
        return certificate
    }

    /// The one that is in use; nil where none is.
    func known(in files: TLSFiles) -> TLSCertificate? {
        self.certificates.withLock { $0[files] }
    }

    /// Takes in what has changed, and says what is the matter, until the task is cancelled.
    func watch(every interval: Duration) async {
        while !Task.isCancelled {
            let now = Int64(time(nil))
            for certificate in self.all {
                for notice in certificate.look(at: now) { self.log(notice, certificate.files) }
            }
            try? await Task.sleep(for: interval)
        }
    }

    /// Reads what has changed now.
    ///
    /// - Returns: What has come of it, a line for each.
    func reload() -> [String] {
        self.all.compactMap { certificate in
            guard let notice = certificate.reload() else { return nil }
            self.log(notice, certificate.files)
            return Self.words(notice, certificate.files)
        }
    }

    private var all: [TLSCertificate] {
        self.certificates.withLock { Array($0.values) }
            .sorted { $0.files.certificate < $1.files.certificate }
    }

    private func log(_ notice: TLSCertificate.Notice, _ files: TLSFiles) {
        self.logger.log(
            level: { if case .replaced = notice { .notice } else { .warning } }(),
            "\(Self.words(notice, files))")
    }

    private static func words(_ notice: TLSCertificate.Notice, _ files: TLSFiles) -> String {
        switch notice {
        case .replaced(let validity):
            "the certificate in \(files.certificate) is in use, and good until \(validity.endText)"
        case .refused(let error): "\(error); the certificate of before stays"
        case .concern(let text): "the certificate in \(files.certificate) \(text)"
        }
    }
}
