import { expect, test } from 'vitest';
import { piecesOf, plainName, shortened } from './names.ts';

test.each([
    ['network/vpc', 'network/vpc'],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    ['evil\u202etxt.exe', 'evil⟨U+202E⟩txt.exe'],
    ['a\u200bb', 'a⟨U+200B⟩b'],
    ['\u001b[31mred', '⟨ESC⟩[31mred'],
    ['two\nlines', 'two⟨\\n⟩lines'],
    ['👩‍🚀 rocket', '👩‍🚀 rocket'],
    ['a\u200db', 'a⟨U+200D⟩b'],
    ['شبكة', 'شبكة'],
])('%j shows as %j', (name, shown) => {
    expect(plainName(name)).toBe(shown);
});

test('what is odd is a piece of its own', () => {
    expect(piecesOf('a\u202eb')).toEqual([
        { text: 'a', isOdd: false },
        { text: 'U+202E', isOdd: true },
        { text: 'b', isOdd: false },
    ]);
});

test('a long name keeps both its ends, whole letters only', () => {
    expect(shortened('abcdefghij', 10)).toBe('abcdefghij');
    expect(shortened('abcdefghijk', 7)).toBe('abc…ijk');
    expect(shortened('👍'.repeat(300), 5)).toBe('👍👍…👍👍');
});
