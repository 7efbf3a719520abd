/*
 * Names come from repositories of other people. What cannot be seen, or turns the order of what stands beside it, is made visible; the
 * rest stays as it is: an emoji and an Arabic word are names, too.
 */
export interface Piece {
    text: string;
    /** A code point that is shown by its number. */
    isOdd: boolean;
}

/* Controls, direction marks and isolates, zero-width characters, tags, and the like; not U+200D (ZWJ) inside an emoji. */
const odd =
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0001}-\u{e007f}]|(?<!\p{Extended_Pictographic}\ufe0f?|[\u{1f3fb}-\u{1f3ff}])\u200d/gu;

export function piecesOf(name: string): Piece[] {
    const pieces: Piece[] = [];
    let from = 0;
    for (const found of name.matchAll(odd)) {
        if (found.index > from) pieces.push({ text: name.slice(from, found.index), isOdd: false });
        pieces.push({ text: wordOf(found[0].codePointAt(0)!), isOdd: true });
        from = found.index + found[0].length;
    }
    if (from < name.length) pieces.push({ text: name.slice(from), isOdd: false });
    return pieces;
}

function wordOf(code: number): string {
    if (code === 0x09) return '\\t';
    if (code === 0x0a) return '\\n';
    if (code === 0x0d) return '\\r';
    if (code === 0x1b) return 'ESC';
    return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The same as plain text: for titles, aria-labels, file names. */
export function plainName(name: string): string {
    return piecesOf(name)
        .map((piece) => (piece.isOdd ? `⟨${piece.text}⟩` : piece.text))
        .join('');
}

/** Both ends of a long name say more than its beginning alone. */
export function shortened(name: string, max: number): string {
    const letters = [...name];
    if (letters.length <= max) return name;
    const tail = Math.floor((max - 1) / 2);
    return `${letters.slice(0, max - 1 - tail).join('')}…${letters.slice(letters.length - tail).join('')}`;
}
