/**
 * Output of programs as styled text: colours and weights are understood, everything else that a terminal would obey (titles, links,
 * cursor, clearing, devices) is dropped, and what cannot be seen but turns text about is shown by its name. The result is data
 * for the page, never markup. One pass, bounded.
 */
export interface Style {
    /** 0 to 15, the terminal's own palette; other colours become the nearest of them, so that the theme decides how they look. */
    fg?: number;
    bg?: number;
    bold?: true;
    dim?: true;
    italic?: true;
    underline?: true;
    strike?: true;
    inverse?: true;
}
export interface Segment extends Style {
    text: string;
}
export type Line = Segment[];

export interface Output {
    lines: Line[];
    /** Lines at the beginning that were left out: the end of an output is what people look for. */
    leftOut: number;
}

export interface AnsiLimits {
    chars: number;
    lines: number;
    lineChars: number;
}
export const ansiLimits: AnsiLimits = { chars: 2_000_000, lines: 5_000, lineChars: 4_000 };

const BEL = 0x07;
const BACKSPACE = 0x08;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const ESC = 0x1b;
const CSI_8BIT = 0x9b;
/** Turn the direction of text, or hide it: shown by name. */
const unseen = /[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]/g;

export function readAnsi(whole: string, limits: AnsiLimits = ansiLimits): Output {
    let text = whole;
    let leftOut = 0;
    if (text.length > limits.chars) {
        const cut = text.indexOf('\n', text.length - limits.chars);
        const from = cut < 0 ? text.length - limits.chars : cut + 1;
        leftOut += countOf(text, '\n', from);
        text = text.slice(from);
    }
    const lines: Line[] = [];
    let line = newLine(limits.lineChars);
    let style: Style = {};
    for (let i = 0; i < text.length;) {
        const code = text.charCodeAt(i);
        if (code === ESC || (code >= 0x80 && code <= 0x9f)) {
            const end = sequenceEnd(text, i);
            if (end.sgr !== null) style = restyle(style, end.sgr);
            i = end.next;
        } else if (code === LF) {
            lines.push(line.take());
            line = newLine(limits.lineChars);
            i++;
        } else if (code === CR) {
            if (text.charCodeAt(i + 1) !== LF) line.restart();
            i++;
        } else if (code === BACKSPACE) {
            line.back();
            i++;
        } else if ((code < 0x20 && code !== TAB) || code === 0x7f) {
            i++;
        } else {
            const start = i;
            do i++;
            while (i < text.length && isPlain(text.charCodeAt(i)));
            line.put(text.slice(start, i), style);
        }
    }
    const last = line.take();
    if (last.length > 0) lines.push(last);
    const over = Math.max(0, lines.length - limits.lines);
    return { lines: over > 0 ? lines.slice(over) : lines, leftOut: leftOut + over };
}

/** Without any style: for copying and searching. */
export function plainText(output: Output): string {
    return output.lines.map((line) => line.map((segment) => segment.text).join('')).join('\n');
}

function isPlain(code: number): boolean {
    return (code >= 0x20 && code < 0x7f) || code > 0x9f || code === TAB;
}

function newLine(most: number) {
    let segments: Segment[] = [];
    let length = 0;
    let isCut = false;
    /** A carriage return: the next text writes over this one; a line that only ends with it stays. */
    let isStale = false;
    return {
        put(raw: string, style: Style): void {
            if (isStale) {
                segments = [];
                length = 0;
                isCut = isStale = false;
            }
            let text = raw.replace(unseen, nameOf);
            if (length + text.length > most) {
                text = text.slice(0, Math.max(0, most - length)).replace(/[\ud800-\udbff]$/, '');
                if (!isCut) text += '…';
                isCut = true;
            }
            if (text === '') return;
            length += text.length;
            const last = segments.at(-1);
            if (last && sameStyle(last, style)) last.text += text;
            else segments.push({ ...style, text });
        },
        restart(): void {
            isStale = true;
        },
        back(): void {
            const last = segments.at(-1);
            if (!last) return;
            last.text = [...last.text].slice(0, -1).join('');
            length = Math.max(0, length - 1);
            if (last.text === '') segments.pop();
        },
        take: (): Line => segments,
    };
}

function nameOf(char: string): string {
    return `[U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`;
}

/** Where a sequence ends, and its parameters when it is one of colours and weights. A sequence that never ends takes only its head. */
function sequenceEnd(text: string, start: number): { next: number; sgr: string | null } {
    const isShort = text.charCodeAt(start) !== ESC;
    const kind = isShort ? text.charCodeAt(start) : text.charCodeAt(start + 1);
    const body = start + (isShort ? 1 : 2);
    if (kind === CSI_8BIT || (!isShort && kind === 0x5b)) {
        let end = body;
        while (end < text.length && isBetween(text.charCodeAt(end), 0x20, 0x3f)) end++;
        if (end < text.length && isBetween(text.charCodeAt(end), 0x40, 0x7e))
            return { next: end + 1, sgr: text[end] === 'm' ? text.slice(body, end) : null };
        return { next: end, sgr: null };
    }
    // OSC, DCS, SOS, PM, APC: until their terminator, but never over more than a few thousand characters.
    const isString = isShort
        ? [0x90, 0x98, 0x9d, 0x9e, 0x9f].includes(kind)
        : [0x50, 0x58, 0x5d, 0x5e, 0x5f].includes(kind);
    if (isString) {
        const most = Math.min(text.length, body + 4096);
        for (let end = body; end < most; end++) {
            const code = text.charCodeAt(end);
            if (code === BEL || code === 0x9c) return { next: end + 1, sgr: null };
            if (code === ESC) return { next: text[end + 1] === '\\' ? end + 2 : end, sgr: null };
            if (code === LF) return { next: end, sgr: null };
        }
        return { next: body, sgr: null };
    }
    if (isShort) return { next: body, sgr: null };
    // ESC, intermediates, one final: charsets, resets, keypad.
    let end = start + 1;
    while (end < text.length && isBetween(text.charCodeAt(end), 0x20, 0x2f)) end++;
    return { next: isBetween(text.charCodeAt(end), 0x30, 0x7e) ? end + 1 : end, sgr: null };
}

function isBetween(code: number, low: number, high: number): boolean {
    return code >= low && code <= high;
}

function restyle(before: Style, parameters: string): Style {
    if (parameters.length > 64 || /[^0-9;:]/.test(parameters)) return before;
    let style = { ...before };
    const codes = parameters.split(/[;:]/).map((code) => Number(code || '0'));
    for (let i = 0; i < codes.length; i++) {
        const code = codes[i]!;
        if (code === 0) style = {};
        else if (code === 1) style.bold = true;
        else if (code === 2) style.dim = true;
        else if (code === 3) style.italic = true;
        else if (code === 4) style.underline = true;
        else if (code === 7) style.inverse = true;
        else if (code === 9) style.strike = true;
        else if (code === 22) style = without(style, 'bold', 'dim');
        else if (code === 23) style = without(style, 'italic');
        else if (code === 24) style = without(style, 'underline');
        else if (code === 27) style = without(style, 'inverse');
        else if (code === 29) style = without(style, 'strike');
        else if (isBetween(code, 30, 37)) style.fg = code - 30;
        else if (isBetween(code, 90, 97)) style.fg = code - 82;
        else if (code === 39) style = without(style, 'fg');
        else if (isBetween(code, 40, 47)) style.bg = code - 40;
        else if (isBetween(code, 100, 107)) style.bg = code - 92;
        else if (code === 49) style = without(style, 'bg');
        else if (code === 38 || code === 48) {
            const field = code === 38 ? 'fg' : 'bg';
            if (codes[i + 1] === 5) {
                style[field] = nearestOf256(codes[i + 2] ?? 0);
                i += 2;
            } else if (codes[i + 1] === 2) {
                style[field] = nearest(codes[i + 2] ?? 0, codes[i + 3] ?? 0, codes[i + 4] ?? 0);
                i += 4;
            }
        }
    }
    return style;
}

function without(style: Style, ...names: (keyof Style)[]): Style {
    const rest = { ...style };
    for (const name of names) delete rest[name];
    return rest;
}

function sameStyle(a: Style, b: Style): boolean {
    return (
        a.fg === b.fg &&
        a.bg === b.bg &&
        a.bold === b.bold &&
        a.dim === b.dim &&
        a.italic === b.italic &&
        a.underline === b.underline &&
        a.strike === b.strike &&
        a.inverse === b.inverse
    );
}

/** The usual sixteen, as RGB: only to measure distance. */
const palette = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
] as const;

function nearestOf256(index: number): number {
    if (index < 16) return index;
    if (index > 255) return 7;
    if (index >= 232) {
        const grey = 8 + (index - 232) * 10;
        return nearest(grey, grey, grey);
    }
    const cube = index - 16;
    const step = (value: number) => (value === 0 ? 0 : 55 + value * 40);
    return nearest(step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6));
}

function nearest(red: number, green: number, blue: number): number {
    let best = 7;
    let least = Infinity;
    palette.forEach(([r, g, b], index) => {
        const distance = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
        if (distance < least) {
            least = distance;
            best = index;
        }
    });
    return best;
}

function countOf(text: string, what: string, before: number): number {
    let count = 0;
    for (let at = text.indexOf(what); at >= 0 && at < before; at = text.indexOf(what, at + 1))
        count++;
    return count;
}
