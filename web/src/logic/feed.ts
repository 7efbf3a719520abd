/*
 * A long list that grows at its top while somebody reads it. What is shown stays where it is; what came since waits behind a pill
 * ("3 newer") until the reader is at the top or asks for it. Rows that are shown take over their newer selves in place.
 */

export interface Page<T> {
    items: readonly T[];
    nextCursor: string | null;
}

/**
 * The pages as one list; a row that two pages have (it moved between two reads) is shown once, where it came first. Of `before`, what the
 * same pages gave last time is taken over: the two-hundredth page costs as little as the first.
 */
export interface Flat<T> {
    pages: readonly Page<T>[];
    items: readonly T[];
    seen: ReadonlySet<string | number>;
}

export function flatten<T extends { id: string | number }>(
    pages: readonly Page<T>[],
    before?: Flat<T>,
): Flat<T> {
    const goesOn =
        before !== undefined &&
        before.pages.length <= pages.length &&
        before.pages.every((page, i) => page === pages[i]);
    if (goesOn && before.pages.length === pages.length) return before;
    const seen = goesOn ? (before.seen as Set<string | number>) : new Set<string | number>();
    const items = goesOn ? before.items.slice() : [];
    for (const page of pages.slice(goesOn ? before.pages.length : 0)) {
        for (const item of page.items) {
            if (seen.has(item.id)) continue;
            seen.add(item.id);
            items.push(item);
        }
    }
    return { pages, items, seen };
}

export interface Fresh<T> {
    /** Rows above the first one shown. */
    newer: T[];
    /** The shown pages with the fresh selves of their rows; the same array when nothing differs. */
    pages: readonly Page<T>[];
    /** The fresh page does not reach the shown ones: more came than a page holds, and a list from the top is better. */
    gap: boolean;
    /** Shown rows that the fresh page should hold and does not: a filter keeps them out by now. */
    gone: ReadonlySet<string | number>;
}

/** Lays a page that was read again beside what is shown; it is the newest one unless `isHead` is false. */
export function freshen<T extends { id: string | number }>(
    shown: readonly Page<T>[],
    head: Page<T>,
    isHead = true,
): Fresh<T> {
    const known = new Set<string | number>();
    for (const page of shown) for (const item of page.items) known.add(item.id);
    const firstKnown = head.items.findIndex((item) => known.has(item.id));
    const newer = firstKnown < 0 ? [...head.items] : head.items.slice(0, firstKnown);
    const gap = firstKnown < 0 && known.size > 0 && head.nextCursor !== null;
    const fresh = new Map(head.items.map((item) => [item.id, item]));
    let touched = false;
    const pages = shown.map((page) => {
        if (!page.items.some((item) => differs(item, fresh.get(item.id)))) return page;
        touched = true;
        return { ...page, items: page.items.map((item) => fresh.get(item.id) ?? item) };
    });
    return {
        newer,
        pages: touched ? pages : shown,
        gap,
        gone: gap ? new Set() : goneFrom(shown, head, isHead),
    };
}

/** Between the first and the last row that both have; from the top of the newest page, to the end when nothing follows it. */
function goneFrom<T extends { id: string | number }>(
    shown: readonly Page<T>[],
    head: Page<T>,
    isHead: boolean,
): Set<string | number> {
    const ids = shown.flatMap((page) => page.items.map((item) => item.id));
    const fresh = new Set(head.items.map((item) => item.id));
    const first = isHead ? 0 : ids.findIndex((id) => fresh.has(id));
    const last =
        head.nextCursor === null ? ids.length - 1 : ids.findLastIndex((id) => fresh.has(id));
    const gone = new Set<string | number>();
    if (first < 0) return gone;
    for (const id of ids.slice(first, last + 1)) if (!fresh.has(id)) gone.add(id);
    return gone;
}

function differs<T>(old: T, now: T | undefined): boolean {
    return now !== undefined && JSON.stringify(old) !== JSON.stringify(now);
}

/** Puts what waited on top. Pages keep their cursors: the end of the list is where it was. */
export function prepend<T>(pages: readonly Page<T>[], newer: readonly T[]): readonly Page<T>[] {
    const [first, ...rest] = pages;
    if (!first || newer.length === 0) return pages;
    return [{ ...first, items: [...newer, ...first.items] }, ...rest];
}
