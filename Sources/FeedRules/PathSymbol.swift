// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The characters that a printed AS path is made of; there are eighteen.
enum PathSymbol {
    static let count = 18
    static let blank = 10
    static let comma = 11
    static let leftBrace = 12
    static let rightBrace = 13
    static let leftParenthesis = 14
    static let rightParenthesis = 15
    static let leftBracket = 16
    static let rightBracket = 17

    /// `.`: all of them.
    static let all: UInt32 = (1 << UInt32(count)) - 1
    /// What `_` stands for, but for the path's beginning and end.
    static let boundaries: UInt32 = all & ~0x3ff

    private static let characters = Array("0123456789 ,{}()[]".utf8)

    static func number(of character: UInt8) -> Int? {
        Self.characters.firstIndex(of: character)
    }
}
