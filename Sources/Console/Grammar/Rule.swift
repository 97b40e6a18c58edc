// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// One command of the grammar, written as people read it: `show routes [feed FEED] [limit COUNT]`.
///
/// Words in small letters are keywords, words in capitals are arguments. After them come options
/// in brackets, in any order and each at most once: a keyword alone, or a keyword and an argument.
package struct Rule: Sendable {
    /// What stands at one place of a command.
    package enum Word: Hashable, Sendable {
        case keyword(String)
        case argument(ArgumentKind)
    }

    package struct Option: Hashable, Sendable {
        package var keyword: String
        package var argument: ArgumentKind?
    }

    /// What a command needs before it is obeyed.
    package enum Access: Sendable {
        /// May be asked before the password was given.
        case anyone
        case user
        /// Changes something, or shows secrets: after `enable`, or over the Unix socket.
        case enabled
    }

    package let syntax: String
    package let verb: Verb
    package let help: String
    package let access: Access
    /// Left out of help and completion: commands for programs.
    package let isHidden: Bool
    package let words: [Word]
    package let options: [Option]

    /// - Precondition: `syntax` is well formed. It comes from our own table only.
    init(
        _ syntax: String, _ verb: Verb, _ help: String, access: Access = .user,
        json: Bool = false, isHidden: Bool = false
    ) {
        self.syntax = json ? "\(syntax) [--json]" : syntax
        self.verb = verb
        self.help = help
        self.access = access
        self.isHidden = isHidden
        var words: [Word] = []
        var options: [Option] = []
        for part in self.syntax.split(separator: "[", omittingEmptySubsequences: true) {
            let isOption = part.contains("]")
            let parts = part.split { $0 == " " || $0 == "]" }.map(String.init)
            if isOption {
                precondition(!parts.isEmpty && parts.count <= 2, "an option is one or two words")
                options.append(
                    Option(
                        keyword: parts[0],
                        argument: parts.count == 2 ? Self.argument(parts[1]) : nil))
            } else {
                words += parts.map {
                    $0 == $0.lowercased() ? .keyword($0) : .argument(Self.argument($0))
                }
            }
        }
        self.words = words
        self.options = options
    }

    private static func argument(_ placeholder: String) -> ArgumentKind {
        guard let kind = ArgumentKind(rawValue: placeholder) else {
            preconditionFailure("the grammar names the kind of argument '\(placeholder)'")
        }
        return kind
    }
}

/// What a command does, whatever its arguments.
package enum Verb: Hashable, Sendable, CaseIterable {
    case nearest, rank, explain
    case showBGP, showBGPIPv4, showBGPIPv6, showBGPSummary
    case showFeed, clearFeed, shutDownFeed, resumeFeed, debugFeed
    case showSites, showFeeds, showRoutes, showRoundTrips, showRPKI, showDNS, showDNSZones,
        showDNSNames, showMemory, showCheckpoint
    case showVersion, showConfiguration
    case observe, ready, reload, replace, checkpoint, releaseGuard
    case showFeedRules, showAnswers, showSitesOfName
    case enable, disable, password
    case machine, framed, complete
    case help, quit, terminalLength
}
