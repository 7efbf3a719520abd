/**
 * Where boxes stand when there are too many for a real layout: columns by depth, in each column near what they wait for. Linear but
 * for sorting, so that ten thousand boxes take a moment; the same input gives the same picture.
 */
import type { Drawing } from './collapse.ts';

export interface Place {
    x: number;
    y: number;
}
export const boxSize = { width: 216, height: 48 };
const gap = { column: 72, row: 12, wrap: 16 };
/** A level with more boxes than this is broken into several columns. */
const columnRows = 40;
const sweeps = 3;

export function columnLayout(drawing: Drawing): Map<string, Place> {
    const parents = new Map<string, string[]>();
    const children = new Map<string, string[]>();
    for (const { from, to } of drawing.edges) {
        add(children, from, to);
        add(parents, to, from);
    }
    const depth = depths(
        drawing.boxes.map((box) => box.id),
        parents,
        children,
    );
    const columns: string[][] = [];
    for (const box of drawing.boxes) (columns[depth.get(box.id)!] ??= []).push(box.id);
    const order = new Map<string, number>();
    const number = (column: readonly string[]) =>
        column.forEach((id, index) => order.set(id, index / column.length));
    columns.forEach(number);
    for (let sweep = 0; sweep < sweeps; sweep++)
        for (const column of columns) {
            const wish = new Map(
                column.map((id) => [id, middle(parents.get(id), order) ?? order.get(id)!]),
            );
            column.sort((a, b) => wish.get(a)! - wish.get(b)! || order.get(a)! - order.get(b)!);
            number(column);
        }
    return places(columns);
}

function add(lists: Map<string, string[]>, key: string, value: string): void {
    const list = lists.get(key);
    if (list) list.push(value);
    else lists.set(key, [value]);
}

/** Longest way from a start; boxes in a loop (folded stacks) stand behind those that are in order. */
function depths(
    ids: readonly string[],
    parents: ReadonlyMap<string, readonly string[]>,
    children: ReadonlyMap<string, readonly string[]>,
): Map<string, number> {
    const depth = new Map(ids.map((id) => [id, 0]));
    const open = new Map(ids.map((id) => [id, parents.get(id)?.length ?? 0]));
    const ready = ids.filter((id) => open.get(id) === 0);
    const seen = new Set(ready);
    for (let next = 0; seen.size < ids.length || next < ready.length; next++) {
        if (next === ready.length) {
            const looped = ids.find((id) => !seen.has(id))!;
            seen.add(looped);
            ready.push(looped);
        }
        const from = ready[next]!;
        for (const to of children.get(from) ?? []) {
            if (seen.has(to)) continue;
            depth.set(to, Math.max(depth.get(to)!, depth.get(from)! + 1));
            open.set(to, open.get(to)! - 1);
            if (open.get(to) === 0) {
                seen.add(to);
                ready.push(to);
            }
        }
    }
    return depth;
}

function middle(
    ids: readonly string[] | undefined,
    order: ReadonlyMap<string, number>,
): number | undefined {
    if (!ids || ids.length === 0) return undefined;
    let sum = 0;
    for (const id of ids) sum += order.get(id) ?? 0;
    return sum / ids.length;
}

function places(columns: readonly (readonly string[])[]): Map<string, Place> {
    const at = new Map<string, Place>();
    let x = 0;
    for (const column of columns) {
        if (!column) continue;
        const parts = Math.ceil(column.length / columnRows);
        const rows = Math.ceil(column.length / parts);
        column.forEach((id, index) => {
            const part = Math.floor(index / rows);
            const inPart = Math.min(rows, column.length - part * rows);
            at.set(id, {
                x: x + part * (boxSize.width + gap.wrap),
                y: ((index % rows) - (inPart - 1) / 2) * (boxSize.height + gap.row),
            });
        });
        x += parts * (boxSize.width + gap.wrap) - gap.wrap + gap.column;
    }
    return at;
}
