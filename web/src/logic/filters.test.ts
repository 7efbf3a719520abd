import { expect, test } from 'vitest';
import { filtersOf, listOf, wordOfList } from './filters.ts';

test('only the names asked for are read, and only words', () => {
    const search = { state: 'failure', other: 'x', page: 3, list: ['a'] };
    expect(filtersOf(search, ['state', 'page', 'list', 'none'])).toEqual({
        state: 'failure',
        page: '3',
        list: '',
        none: '',
    });
});

test('lists go into one word and come back', () => {
    expect(listOf('plan,,apply,plan')).toEqual(['plan', 'apply']);
    expect(listOf('')).toEqual([]);
    expect(wordOfList(['plan', 'apply', 'plan'])).toBe('plan,apply');
});
