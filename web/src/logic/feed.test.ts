import { describe, expect, it } from 'vitest';
import { flatten, freshen, prepend, type Page } from './feed.ts';

interface Row {
    id: number;
    state: string;
}
const row = (id: number, state = 'running'): Row => ({ id, state });
const page = (ids: number[], nextCursor: string | null = 'more'): Page<Row> => ({
    items: ids.map((id) => row(id)),
    nextCursor,
});

describe('pages as one list', () => {
    it('show a row once though two pages have it', () => {
        expect(flatten([page([5, 4]), page([4, 3])]).items.map((r) => r.id)).toEqual([5, 4, 3]);
    });
});

describe('one more page', () => {
    it('goes on from what the pages before gave', () => {
        const two = [page([5, 4]), page([3, 2])];
        const before = flatten(two);
        const after = flatten([...two, page([2, 1])], before);
        expect(after.items.map((r) => r.id)).toEqual([5, 4, 3, 2, 1]);
        expect(before.items).toHaveLength(4);
        expect(flatten([...two], before)).toBe(before);
    });

    it('does not, when a page before it has changed', () => {
        const before = flatten([page([5, 4]), page([3])]);
        const changed = [page([6, 5, 4]), page([3])];
        expect(flatten(changed, before).items.map((r) => r.id)).toEqual([6, 5, 4, 3]);
        expect(flatten([page([9])], before).items.map((r) => r.id)).toEqual([9]);
    });
});

describe('a list that grows while it is read', () => {
    const shown = [page([5, 4]), page([3, 2], null)];

    it('keeps what is shown and counts what is new', () => {
        const fresh = freshen(shown, page([7, 6, 5, 4]));
        expect(fresh.newer.map((r) => r.id)).toEqual([7, 6]);
        expect(fresh.pages).toBe(shown);
        expect(fresh.gap).toBe(false);
    });

    it('takes over the newer selves of shown rows in place', () => {
        const fresh = freshen(shown, { items: [row(5), row(4, 'success')], nextCursor: 'more' });
        expect(flatten(fresh.pages).items).toEqual([row(5), row(4, 'success'), row(3), row(2)]);
        expect(fresh.pages[1]).toBe(shown[1]);
    });

    it('knows when more came than one page holds', () => {
        expect(freshen(shown, page([99, 98])).gap).toBe(true);
        expect(freshen([], page([99, 98])).gap).toBe(false);
        expect(freshen([page([], null)], page([2, 1])).newer).toHaveLength(2);
    });

    it.each([
        ['the top row left the filter', page([4, 3, 2], null), true, [5]],
        ['a row in the middle left it', page([5, 3, 2], null), true, [4]],
        ['the newest page ends before the shown rows do', page([5, 3]), true, [4]],
        ['nothing is left', page([], null), true, [5, 4, 3, 2]],
        ['a later page was read again', page([3]), false, []],
        ['and that page has lost a row', page([4, 2]), false, [3]],
        ['newer rows came', page([7, 5, 4]), true, []],
        ['nothing is known of the shown ones', page([99, 98]), true, []],
    ])('knows what a filter keeps out by now: %s', (_, head, isHead, gone) => {
        expect([...freshen(shown, head, isHead).gone]).toEqual(gone);
    });

    it('puts what waited on top when asked, and can go on at its end', () => {
        const pages = prepend(shown, [row(7), row(6)]);
        expect(flatten(pages).items.map((r) => r.id)).toEqual([7, 6, 5, 4, 3, 2]);
        expect(pages.at(-1)!.nextCursor).toBeNull();
        expect(prepend(shown, [])).toBe(shown);
    });
});
