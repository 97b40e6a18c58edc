// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Where a password comes from.
struct Secrets {
    let file: String?

    /// The password; after a wrong one, only a person has another.
    func password(isRetry: Bool) throws(LinkError) -> String {
        if !isRetry {
            if let file { return try Self.firstLine(of: file) }
            if let value = getenv("MARTLET_PASSWORD") { return String(cString: value) }
        } else if self.file != nil || getenv("MARTLET_PASSWORD") != nil {
            throw .wrongPassword
        }
        guard isatty(STDIN_FILENO) == 1 else { throw .needsPassword }
        guard let password = try Self.ask("Password: ") else { throw .interrupted }
        return password
    }

    /// Asks on the terminal without showing what is typed. Nil where Ctrl-C is the answer.
    static func ask(_ prompt: String) throws(LinkError) -> String? {
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { throw .needsPassword }
        _ = Interrupt.take()
        return try Interrupt.during { () throws(LinkError) in
            var silent = before
            silent.c_lflag &= ~tcflag_t(ECHO)
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
            defer {
                tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
                Printer.complain("")
            }
            Printer.complain(prompt, end: "")
            var line: [UInt8] = []
            var byte: UInt8 = 0
            while Interrupt.waitToRead(STDIN_FILENO) {
                guard read(STDIN_FILENO, &byte, 1) == 1 else { throw .needsPassword }
                guard byte != 0x0a else { return String(decoding: line, as: UTF8.self) }
                line.append(byte)
            }
            return nil
        }
    }

    private static func firstLine(of path: String) throws(LinkError) -> String {
        guard let file = fopen(path, "r") else { throw .passwordFile(path, errno: errno) }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = fread(&buffer, 1, buffer.count, file)
        let line = buffer.prefix(count).prefix { $0 != 0x0a && $0 != 0x0d }
        return String(decoding: line, as: UTF8.self)
    }
}
