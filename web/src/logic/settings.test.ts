import { describe, expect, it } from 'vitest';
import {
    changesOf,
    draftOf,
    groupsOf,
    labelOf,
    settingWords,
    wrongIn,
    wrongsIn,
    type SettingRow,
} from './settings.ts';

const rows: SettingRow[] = [
    {
        name: 'threshold',
        type: 'integer',
        default: 50,
        min: 1,
        max: 50000,
        doc: '',
        group: 'Holds',
    },
    { name: 'comment', type: 'boolean', default: true, doc: '', group: 'Feedback' },
    {
        name: 'rapid_pushes',
        type: 'integer',
        default: 3,
        min: 1,
        max: 100,
        doc: '',
        group: 'Holds',
    },
];

describe('a typed setting', () => {
    it.each([
        ['50', null],
        [' 7 ', null],
        ['1', null],
        ['50000', null],
        ['0', 'At least 1.'],
        ['-3', 'At least 1.'],
        ['50001', 'At most 50,000.'],
        ['', 'Type a whole number, 1 to 50,000.'],
        ['12.5', '“12.5” is no whole number.'],
        ['1e3', '“1e3” is no whole number.'],
        ['<script>', '“<script>” is no whole number.'],
        ['9'.repeat(30), 'That is too large, 1 to 50,000.'],
    ])('%j: %s', (typed, wrong) => {
        expect(wrongIn(rows[0]!, typed)).toBe(wrong);
    });

    it('is judged field by field', () => {
        const draft = { threshold: 'x', comment: false, rapid_pushes: '101' };
        expect(Object.keys(wrongsIn(rows, draft))).toEqual(['threshold', 'rapid_pushes']);
    });
});

describe('a typed text', () => {
    const executor: SettingRow = {
        name: 'executor',
        type: 'choice',
        default: 'github_actions',
        options: ['github_actions', 'runner'],
        doc: '',
    };
    const runner: SettingRow = { name: 'runner', type: 'name', default: '', doc: '' };

    it('is one of the choices, or a name or nothing', () => {
        expect(wrongIn(executor, 'runner')).toBeNull();
        expect(wrongIn(executor, 'jenkins')).toBe('Choose one of these.');
        expect(wrongIn(runner, '')).toBeNull();
        expect(wrongIn(runner, 'eu-1')).toBeNull();
        expect(wrongIn(runner, 'a b')).toMatch(/^Letters/);
    });

    it('is saved as a text', () => {
        const both = [executor, runner];
        expect(changesOf(both, {}, { executor: 'runner', runner: ' eu-1 ' })).toEqual([
            { name: 'executor', from: 'github_actions', to: 'runner' },
            { name: 'runner', from: '', to: 'eu-1' },
        ]);
        expect(settingWords('')).toBe('none');
    });
});

describe('saving', () => {
    const values = { threshold: 50, comment: true, rapid_pushes: 3 };

    it('changes nothing when nothing was typed', () => {
        expect(changesOf(rows, values, draftOf(rows, values))).toEqual([]);
    });

    it('names what differs, and leaves out what came back to where it was', () => {
        const draft = { threshold: ' 80', comment: false, rapid_pushes: '03' };
        expect(changesOf(rows, values, draft)).toEqual([
            { name: 'threshold', from: 50, to: 80 },
            { name: 'comment', from: true, to: false },
        ]);
    });

    it('takes the default where a server does not say a value', () => {
        expect(draftOf(rows, {})).toEqual({ threshold: '50', comment: true, rapid_pushes: '3' });
    });
});

it('groups come in the order of their first row', () => {
    expect(groupsOf(rows).map((g) => [g.name, g.rows.length])).toEqual([
        ['Holds', 2],
        ['Feedback', 1],
    ]);
    const bare = rows.map(({ group: _, ...row }) => row);
    expect(groupsOf(bare).map((g) => g.name)).toEqual(['Holds', 'Feedback']);
});

it('reads as words', () => {
    expect(labelOf('rapid_push_minutes')).toBe('Rapid push minutes');
    expect(settingWords(false)).toBe('off');
    expect(settingWords(50000)).toBe('50,000');
});
