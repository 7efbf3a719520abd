import { describe, expect, it } from 'vitest';
import { ansiLimits, plainText, readAnsi, type Style } from './ansi.ts';

const ESC = '\u001b';
const only = (text: string) => readAnsi(text).lines[0] ?? [];

describe('colours and weights', () => {
    it.each<[string, Style]>([
        ['31', { fg: 1 }],
        ['1;32', { bold: true, fg: 2 }],
        ['97;41', { fg: 15, bg: 1 }],
        ['2;3;4;7;9', { dim: true, italic: true, underline: true, inverse: true, strike: true }],
        ['38;5;9', { fg: 9 }],
        ['38;5;196', { fg: 9 }],
        ['38;5;232', { fg: 0 }],
        ['48;2;0;0;230', { bg: 4 }],
        ['38:2:255:255:255', { fg: 15 }],
        ['1;22;31;39', {}],
        ['', {}],
        ['1;31;0', {}],
        ['38;5', { fg: 0 }],
        ['999', {}],
        [';;;31', { fg: 1 }],
    ])('CSI %s m', (codes, style) => {
        expect(only(`${ESC}[${codes}mtext`)).toEqual([{ ...style, text: 'text' }]);
    });
    it('go on over lines until they are taken back', () => {
        expect(readAnsi(`a${ESC}[31mb\nc${ESC}[0md`).lines).toEqual([
            [{ text: 'a' }, { fg: 1, text: 'b' }],
            [{ fg: 1, text: 'c' }, { text: 'd' }],
        ]);
    });
});

describe('what a terminal would obey is dropped', () => {
    it.each([
        ['clearing and cursor', `a${ESC}[2J${ESC}[1;1H${ESC}[?25lb`],
        ['a title', `a${ESC}]0;owned\u0007b`],
        ['a title with ST', `a${ESC}]0;owned${ESC}\\b`],
        ['a link keeps its text', `${ESC}]8;;https://evil.example${ESC}\\ab${ESC}]8;;${ESC}\\`],
        ['a device string', `a${ESC}Pq#0;2;0;0;0${ESC}\\b`],
        ['charsets and resets', `a${ESC}(B${ESC}c${ESC}=b`],
        ['eight-bit CSI', 'a\u009b31\u009b0Kb'],
        ['eight-bit OSC', 'a\u009d0;owned\u009cb'],
        ['bells and nulls', 'a\u0007\u0000\u007f\u0085b'],
    ])('%s', (_, text) => {
        expect(plainText(readAnsi(text)).replace(/^a31/, 'a')).toBe('ab');
    });
    it('a sequence that never ends takes itself away, not what follows', () => {
        expect(plainText(readAnsi(`a${ESC}`))).toBe('a');
        expect(plainText(readAnsi(`a${ESC}[31`))).toBe('a');
        expect(plainText(readAnsi(`a${ESC}]0;title\nnext`))).toBe('a\nnext');
        expect(plainText(readAnsi(`a${ESC}]${'x'.repeat(3_000)}`))).toHaveLength(3_001);
    });
});

describe('text', () => {
    it('is data: markup in it is text', () => {
        expect(only('<script>alert(1)</script>')).toEqual([{ text: '<script>alert(1)</script>' }]);
    });
    it('a carriage return writes over the line; one at its end does not', () => {
        expect(plainText(readAnsi('10%\r50%\rdone\nnext\r\nlast\r'))).toBe('done\nnext\nlast');
    });
    it('a backspace takes one character back, also of two units', () => {
        expect(plainText(readAnsi('ab\bc'))).toBe('ac');
        expect(plainText(readAnsi('a😀\bc'))).toBe('ac');
        expect(plainText(readAnsi('\b\bc'))).toBe('c');
    });
    it('what turns it about or hides in it is named', () => {
        expect(plainText(readAnsi('a\u202eb\u200bc\ufeff'))).toBe('a[U+202E]b[U+200B]c[U+FEFF]');
    });
    it('keeps tabs, emoji and empty lines', () => {
        expect(plainText(readAnsi('a\tb\n\n😀 é\n'))).toBe('a\tb\n\n😀 é');
    });
});

describe('limits', () => {
    it('the last lines stay, and it says how many went', () => {
        const text = Array.from({ length: 100 }, (_, line) => `line ${line}`).join('\n');
        const output = readAnsi(text, { ...ansiLimits, lines: 10 });
        expect(output.leftOut).toBe(90);
        expect(plainText(output).split('\n')[0]).toBe('line 90');
    });
    it('so many characters at the most, cut at a line', () => {
        const output = readAnsi('first line\nsecond line\nthird line', {
            ...ansiLimits,
            chars: 15,
        });
        expect(output).toMatchObject({ leftOut: 2 });
        expect(plainText(output)).toBe('third line');
    });
    it('a line that is too long is cut, whole characters only', () => {
        expect(plainText(readAnsi('x'.repeat(100), { ...ansiLimits, lineChars: 10 }))).toBe(
            `${'x'.repeat(10)}…`,
        );
        expect(plainText(readAnsi('xxx😀', { ...ansiLimits, lineChars: 4 }))).toMatch(/^xxx.?…$/u);
    });
    it('a megabyte of escapes is read in one pass', () => {
        const start = performance.now();
        readAnsi(`${ESC}]`.repeat(300_000));
        readAnsi(`${ESC}[31mx`.repeat(150_000));
        readAnsi('\b'.repeat(500_000) + 'a'.repeat(500_000) + '\b'.repeat(3000));
        // Takes well under a second; a bound that only something quadratic breaks.
        expect(performance.now() - start).toBeLessThan(10_000);
    });
});
