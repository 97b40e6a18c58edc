// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import DNSFront
import DNSWire
import Glibc

extension Configuration {
    /// Reads and checks a configuration and looks for the files that it names.
    ///
    /// - Parameter path: The file. Paths in it start at its folder.
    /// - Returns: The configuration, its secrets read.
    /// - Throws: ConfigurationError with all that is wrong.
    public static func load(path: String) throws(ConfigurationError) -> Configuration {
        let bytes: [UInt8]
        // The configuration itself may come through a pipe.
        switch TextFile.read(path, maximum: Self.maximumSize, mustBePlain: false) {
        case .success(let read): bytes = read
        case .failure(let failure):
            throw ConfigurationError(complaints: [
                Complaint(file: path, line: 0, column: 0, text: failure.text)
            ])
        }
        return try self.read(bytes, file: path, checksFiles: true)
    }

    /// Reads and checks a configuration's text, without a look at any file.
    ///
    /// - Parameters:
    ///   - text: The bytes of the file.
    ///   - file: What the file is called in complaints, and where relative paths start.
    /// - Returns: The configuration, its secrets not read.
    /// - Throws: ``ConfigurationError`` with all that is wrong.
    public static func parse(
        _ text: [UInt8], file: String = "martlet.yaml"
    ) throws(ConfigurationError) -> Configuration {
        try self.read(text, file: file, checksFiles: false)
    }

    private static let maximumSize = 16 << 20

    private static func read(
        _ bytes: [UInt8], file: String, checksFiles: Bool
    ) throws(ConfigurationError) -> Configuration {
        let document = Document(file: file)
        var reader = ConfigurationReader(document: document)
        reader.readsFiles = checksFiles
        if let text = TextFile.decode(bytes, for: document), let root = document.parse(text) {
            reader.read(root)
            if checksFiles {
                reader.checkFiles()
                reader.readZoneFiles()
            }
        }
        try document.check()
        return reader.result
    }
}

extension ConfigurationReader {
    /// Complains of files that aren't there, and of secrets that are none; reads those that are.
    mutating func checkFiles() {
        var secrets: [String: String] = [:]
        for file in self.files {
            if file.isSecret {
                secrets[file.path] = self.secret(file)
            } else if let problem = TextFile.problem(reading: file.path) {
                file.value.complain("\(file.path): \(problem)")
            }
        }
        if let value = self.checkpointFile, let path = self.result.checkpoint?.file,
            let problem = TextFile.problem(writing: path)
        {
            value.complain(problem)
        }
        if let value = self.decisionFile, let path = self.result.dns.rules.decisions?.file,
            let problem = TextFile.problem(writing: path)
        {
            value.complain(problem)
        }
        if let value = self.cookieFile, let path = self.result.dns.cookieFile {
            let secrets = self.cookieSecrets(value, path)
            self.result.dns.rules.cookies?.secrets = secrets
        }
        for named in self.certificates { self.checkCertificate(named) }
        for group in self.socketGroups {
            if let name = group.plainText, Group.number(name) == nil {
                group.complain("there is no group '\(name)'")
            }
        }
        if let value = self.tcpAO, !Authentication.hasTCPAO {
            value.complain(
                "this kernel has no TCP-AO: that takes Linux 6.7, built with CONFIG_TCP_AO; "
                    + "password-file signs by TCP MD5")
        }
        self.readKeys(secrets)
        self.result.console.password =
            self.result.console.passwordFile.flatMap { secrets[$0] }
        self.result.console.enablePassword =
            self.result.console.enablePasswordFile.flatMap { secrets[$0] }
    }

    /// Complains of a certificate that can't be used, where the file at fault is named.
    private mutating func checkCertificate(_ named: NamedCertificate) {
        do throws(TLSFileError) {
            let validity = try named.files.validity()
            if let concern = validity.concern(at: Int64(time(nil))) {
                self.result.certificateConcerns.append(
                    "the certificate in \(named.files.certificate) \(concern)")
            }
        } catch {
            let isOfCertificate = error.path == named.files.certificate
            let value =
                error == .notBuilt ? named.value : isOfCertificate ? named.certificate : named.key
            value.complain("\(error)")
        }
    }

    /// Gives BGP sessions the keys that their files hold.
    private mutating func readKeys(_ secrets: [String: String]) {
        func key(_ path: String) -> Secret? {
            guard let text = secrets[path] else { return nil }
            guard text.utf8.count <= Authentication.keyLimit else {
                self.files.last { $0.path == path && $0.isSecret }?.value.complain(
                    "\(path) has a key of \(text.utf8.count) bytes; the kernel takes "
                        + "\(Authentication.keyLimit)")
                return nil
            }
            return Secret(text)
        }
        for index in self.result.feeds.indices {
            guard case .bgp(var bgp) = self.result.feeds[index].source else { continue }
            if let key = bgp.passwordFile.flatMap(key) {
                bgp.authentication = .md5(key)
            } else if let tuple = bgp.tcpAO, let key = key(tuple.keyFile) {
                bgp.authentication = .ao(
                    Authentication.KeyTuple(
                        key: key, algorithm: tuple.algorithm, sendID: tuple.sendID,
                        receiveID: tuple.receiveID))
            }
            self.result.feeds[index].source = .bgp(bgp)
        }
    }

    /// The first line of a file that only its owner and group can read.
    private func secret(_ file: NamedFile) -> String? {
        guard let bytes = self.guarded(file.value, file.path, holding: "a password") else {
            return nil
        }
        let line = bytes.prefix { $0 != 0x0a && $0 != 0x0d }
        guard !line.isEmpty, let text = String(validating: line, as: UTF8.self) else {
            file.value.complain("\(file.path) has no password in its first line")
            return nil
        }
        return text
    }

    /// What cookies are made with.
    private func cookieSecrets(_ value: Value, _ path: String) -> CookieSecrets? {
        guard let bytes = self.guarded(value, path, holding: "secrets") else { return nil }
        do throws(CookieSecrets.SyntaxError) {
            return try CookieSecrets(parsing: String(decoding: bytes, as: UTF8.self))
        } catch {
            value.complain("\(path): \(error)")
            return nil
        }
    }

    /// The bytes of a file that only its owner and group can read.
    private func guarded(_ value: Value, _ path: String, holding what: String) -> [UInt8]? {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & 0o007 != 0 {
            value.complain("\(path) holds \(what) and everybody can open it: chmod o-rwx")
            return nil
        }
        switch TextFile.read(path, maximum: 4096) {
        case .failure(let failure):
            value.complain("\(path): \(failure.text)")
            return nil
        case .success(let bytes): return bytes
        }
    }
}

/// Files as the operating system gives them.
enum TextFile {
    struct Failure: Error, CustomStringConvertible {
        var text: String

        var description: String { self.text }
    }

    /// A file's bytes, at most `maximum`. A pipe without a writer, or a device, might never end: it is
    /// refused where the file must be a plain one.
    static func read(
        _ path: String, maximum: Int, mustBePlain: Bool = true
    ) -> Result<[UInt8], Failure> {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | (mustBePlain ? O_NONBLOCK : 0))
        guard descriptor >= 0 else { return .failure(Failure(text: Self.words(errno))) }
        defer { close(descriptor) }
        var status = stat()
        if mustBePlain, fstat(descriptor, &status) == 0,
            status.st_mode & S_IFMT != S_IFREG, status.st_mode & S_IFMT != S_IFDIR
        {
            return .failure(Failure(text: "it is not a plain file"))
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .failure(Failure(text: Self.words(errno))) }
            if count == 0 { return .success(bytes) }
            bytes += buffer[..<count]
            guard bytes.count <= maximum else {
                return .failure(Failure(text: "the file has more than \(maximum) bytes"))
            }
        }
    }

    /// Why a file can't be read; nil where it can.
    static func problem(reading path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return Self.words(errno) }
        if status.st_mode & S_IFMT == S_IFDIR { return Self.words(EISDIR) }
        return access(path, R_OK) == 0 ? nil : Self.words(errno)
    }

    /// Why a file can't be there: there is no folder for it, or a folder in its place. Who may
    /// write is decided later, when Martlet is the user that it is to be.
    static func problem(writing path: String) -> String? {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        var status = stat()
        guard stat(folder.isEmpty ? "/" : folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR
        else { return "there is no folder \(folder) to write \(path) to" }
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            return "\(path) is not a plain file"
        }
        return nil
    }

    private static func words(_ number: CInt) -> String {
        switch number {
        case ENOENT: "there is no such file"
        case EACCES: "it can't be read: permission denied"
        case EISDIR: "it is a folder, not a file"
        default: String(cString: strerror(number))
        }
    }

    /// A file's text: UTF-8 without NUL, a byte order mark left out.
    static func decode(_ bytes: [UInt8], for document: Document) -> String? {
        let bytes = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes[3...] : bytes[...]
        if !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) {
            return text
        }
        // The first line that is to blame.
        for (index, line) in bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
            .enumerated()
        where line.contains(0) || String(validating: line, as: UTF8.self) == nil {
            document.complain(
                at: Position(line: index + 1, column: 1),
                line.contains(0) ? "there is a NUL byte in this line" : "this line is not UTF-8")
            break
        }
        return nil
    }
}
