// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import RouteTable

/// How the table's file was read at the start, and written last.
public struct CheckpointReport: Hashable, Sendable {
    /// One reading or writing.
    public struct Event: Hashable, Sendable {
        /// In a word: `none`, `restoring`, `restored`, `refused`; `written`, `failed`.
        public var state: String
        /// When the file was written, in Unix seconds.
        public var time: Int64?
        public var bytes: Int?
        public var counts: CheckpointCounts?
        public var milliseconds: Int?
        /// What went wrong, in words.
        public var error: String?

        public init(
            state: String, time: Int64? = nil, bytes: Int? = nil, counts: CheckpointCounts? = nil,
            milliseconds: Int? = nil, error: String? = nil
        ) {
            self.state = state
            self.time = time
            self.bytes = bytes
            self.counts = counts
            self.milliseconds = milliseconds
            self.error = error
        }
    }

    public var file: String
    /// How often it is written, in seconds; 0: at the end and on demand alone.
    public var every: Int
    public var reading = Event(state: "none")
    public var writing = Event(state: "none")

    public init(file: String, every: Int) {
        self.file = file
        self.every = every
    }
}

extension Interpreter {
    func checkpoint(_ report: CheckpointReport) -> Table {
        var table = Table(
            "checkpoint",
            columns: [
                .alone("event"), Table.Column("state"), Table.Column("age", right: true),
                Table.Column("bytes", right: true), Table.Column("ipv4", right: true),
                Table.Column("ipv6", right: true), Table.Column("routes", right: true),
                Table.Column("ms", right: true), Table.Column("error"),
            ])
        let now = self.now()
        table.rows = [("reading", report.reading), ("writing", report.writing)].map { name, event in
            [
                .text(name), .text(event.state), .age(event.time.map { Int(max(0, now - $0)) }),
                .integer(event.bytes), .integer(event.counts?.ipv4Prefixes),
                .integer(event.counts?.ipv6Prefixes), .integer(event.counts?.routes),
                .integer(event.milliseconds), .text(event.error),
            ]
        }
        table.notes = [
            "The file is \(report.file); it is written at the end"
                + (report.every == 0 ? "." : " and every \(report.every) seconds.")
        ]
        table.fields = [("file", .text(report.file)), ("every", .integer(report.every))]
        return table
    }

    /// The report, or that there is no file.
    func checkpointReport() throws(CommandFailure) -> CheckpointReport {
        guard let report = self.backend.checkpointReport() else {
            throw CommandFailure(
                .noSuchThing, "no checkpoint is configured: see 'checkpoint' in the configuration")
        }
        return report
    }
}
