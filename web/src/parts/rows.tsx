/* Many rows: only those in sight exist. j and k go down and up, Enter opens, more is read near the end. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useEffect, useRef, useState, type ReactNode } from 'react';
import { useKeys } from '../app/keys.ts';
import { Waiting } from './page.tsx';

export interface Column<T> {
    key: string;
    title: string;
    /** As in grid-template-columns: "120px", "minmax(160px, 2fr)". */
    width: string;
    align?: 'left' | 'right';
    show: (row: T) => ReactNode;
}
/** A line between rows, e.g. "Level 2 · 14 of 20 done". */
export interface GroupLine {
    group: string;
    title: ReactNode;
}
export type Item<T> = T | GroupLine;

export interface RowsProps<T> {
    /** Says what the table lists, to those who do not see it. */
    label: string;
    items: readonly Item<T>[];
    columns: readonly Column<T>[];
    keyOf: (row: T) => string;
    /** Enter and a click beside every link or button in the row. */
    open?: (row: T) => void;
    chosenKey?: string;
    hasMore?: boolean;
    isMoreComing?: boolean;
    more?: () => void;
    rowHeight?: number;
    /** Without: as high as its place. */
    height?: number;
    /** Told the first and last line in sight, and whether the list is at its top. */
    look?: (first: number, last: number, isAtTop: boolean) => void;
    /** When it changes, the list goes to its top. */
    turn?: number;
    /** Shown faintly: a row that is on its way out. */
    isDim?: (row: T) => boolean;
}

function isGroup<T>(item: Item<T>): item is GroupLine {
    return typeof item === 'object' && item !== null && 'group' in item && 'title' in item;
}

/** Scrolling moves rows; what stands in them is drawn again only when it is another row, or other columns. */
const Cells = memo(function Cells(props: { row: unknown; columns: readonly Column<unknown>[] }) {
    return props.columns.map((column) => (
        <div key={column.key} role="cell" className="rows-cell" data-align={column.align ?? 'left'}>
            {column.show(props.row)}
        </div>
    ));
});

export function Rows<T>(props: RowsProps<T>) {
    const { items, columns, keyOf } = props;
    const rowHeight = props.rowHeight ?? 36;
    const place = useRef<HTMLDivElement>(null);
    const [at, setAt] = useState(-1);
    const virtual = useVirtualizer({
        count: items.length,
        getScrollElement: () => place.current,
        estimateSize: () => rowHeight,
        overscan: 12,
        getItemKey: (i) => {
            const item = items[i]!;
            return isGroup(item) ? `group ${item.group}` : keyOf(item);
        },
    });
    const shown = virtual.getVirtualItems();
    const last = shown.at(-1)?.index ?? -1;
    const { hasMore, more } = props;
    useEffect(() => {
        if (hasMore && last >= items.length - 20) more?.();
    }, [hasMore, more, last, items.length]);

    const isAtTop = (virtual.scrollOffset ?? 0) < rowHeight;
    const { look, turn } = props;
    useEffect(() => {
        if (turn) place.current?.scrollTo({ top: 0 });
    }, [turn]);
    useEffect(() => {
        if (!look || !virtual.range) return;
        look(virtual.range.startIndex, virtual.range.endIndex, isAtTop);
    }, [look, virtual.range?.startIndex, virtual.range?.endIndex, isAtTop]);

    /** A row that was out of sight exists a frame or two later. */
    const focusRow = (i: number, tries = 20) => {
        const row = place.current?.querySelector<HTMLElement>(`[data-index="${i}"]`);
        if (!row && tries > 0) {
            requestAnimationFrame(() => focusRow(i, tries - 1));
            return;
        }
        (row?.querySelector<HTMLElement>('a,button') ?? row)?.focus({ preventScroll: true });
    };
    // What was chosen elsewhere (a key, a link, the address) comes into sight; j and k go on from there.
    const { chosenKey } = props;
    useEffect(() => {
        if (chosenKey === undefined) return;
        const i = items.findIndex((item) => !isGroup(item) && keyOf(item) === chosenKey);
        if (i < 0) return;
        setAt(i);
        virtual.scrollToIndex(i, { align: 'auto' });
        // Only when another one is chosen: rows that come and go do not move the list.
        // eslint-disable-next-line react-hooks/exhaustive-deps
    }, [chosenKey]);
    const step = (by: 1 | -1) => {
        let next = at + by;
        while (next >= 0 && next < items.length && isGroup(items[next]!)) next += by;
        if (next < 0 || next >= items.length) return;
        setAt(next);
        virtual.scrollToIndex(next, { align: 'auto' });
        requestAnimationFrame(() => focusRow(next));
    };
    const openAt = () => {
        const item = items[at];
        if (item !== undefined && !isGroup(item)) props.open?.(item);
    };
    useKeys([
        { keys: 'j', doc: 'Next row', run: () => step(1) },
        { keys: 'k', doc: 'Row before', run: () => step(-1) },
        ...(props.open ? [{ keys: 'o', doc: 'Open the row', run: openAt }] : []),
    ]);

    const grid = { gridTemplateColumns: columns.map((column) => column.width).join(' ') };
    return (
        <div
            className="rows"
            ref={place}
            role="table"
            aria-label={props.label}
            aria-rowcount={hasMore ? -1 : items.length + 1}
            tabIndex={0}
            // A short list ends where its last row does.
            style={
                props.height === undefined
                    ? {
                          maxHeight: virtual.getTotalSize() + (hasMore ? 90 : 50),
                          minHeight: 'min(70px, 100%)',
                      }
                    : { flex: 'none', height: props.height }
            }
        >
            <div className="rows-inner" role="presentation">
                <div className="rows-head" role="rowgroup">
                    <div
                        className="rows-line"
                        role="row"
                        aria-rowindex={1}
                        style={{ ...grid, height: 30 }}
                    >
                        {columns.map((column) => (
                            <div
                                key={column.key}
                                role="columnheader"
                                className="rows-cell"
                                data-align={column.align ?? 'left'}
                            >
                                {column.title}
                            </div>
                        ))}
                    </div>
                </div>
                <div
                    role="rowgroup"
                    style={{ height: virtual.getTotalSize(), position: 'relative' }}
                >
                    {shown.map((line) => {
                        const item = items[line.index]!;
                        const where = {
                            transform: `translateY(${line.start}px)`,
                            height: rowHeight,
                        };
                        if (isGroup(item))
                            return (
                                <div
                                    key={line.key}
                                    role="row"
                                    aria-rowindex={line.index + 2}
                                    data-index={line.index}
                                    className="rows-line rows-row rows-group"
                                    style={where}
                                >
                                    <div role="cell" aria-colspan={columns.length}>
                                        {item.title}
                                    </div>
                                </div>
                            );
                        return (
                            <div
                                key={line.key}
                                role="row"
                                aria-rowindex={line.index + 2}
                                data-index={line.index}
                                data-chosen={
                                    props.chosenKey !== undefined && props.chosenKey === keyOf(item)
                                }
                                data-dim={props.isDim?.(item) ?? false}
                                className="rows-line rows-row"
                                tabIndex={-1}
                                style={{
                                    ...grid,
                                    ...where,
                                    cursor: props.open ? 'pointer' : undefined,
                                }}
                                onFocus={() => setAt(line.index)}
                                onClick={(event) => {
                                    if (
                                        props.open &&
                                        !(event.target as Element).closest('a,button,input,label')
                                    )
                                        props.open(item);
                                }}
                                onKeyDown={(event) => {
                                    if (
                                        event.key === 'Enter' &&
                                        event.target === event.currentTarget
                                    )
                                        props.open?.(item);
                                }}
                            >
                                <Cells row={item} columns={columns as never} />
                            </div>
                        );
                    })}
                </div>
            </div>
            {props.isMoreComing && <Waiting what="Reading more…" />}
        </div>
    );
}
