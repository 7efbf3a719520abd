/* Rows by days, in UTC as all times of the dashboard. */
const day_ms = 86_400_000;
const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export function dayOf(at_ms: number): number {
    return Math.floor(at_ms / day_ms);
}

/** "Today", "Yesterday", "Wed 18 Nov", "18 Nov 2025". */
export function dayWords(at_ms: number, now_ms: number): string {
    const days = dayOf(now_ms) - dayOf(at_ms);
    if (days === 0) return 'Today';
    if (days === 1) return 'Yesterday';
    const at = new Date(at_ms);
    const month = months[at.getUTCMonth()]!;
    if (at.getUTCFullYear() !== new Date(now_ms).getUTCFullYear())
        return `${at.getUTCDate()} ${month} ${at.getUTCFullYear()}`;
    return `${weekdays[at.getUTCDay()]!} ${at.getUTCDate()} ${month}`;
}

export interface DayLine {
    group: string;
    title: string;
}

/** The rows with a line before the first of each day. Rows come newest first; one without a time stays with the row before it. */
export function byDay<T>(
    rows: readonly T[],
    atOf: (row: T) => number | null,
    now_ms: number,
): (T | DayLine)[] {
    const out: (T | DayLine)[] = [];
    let before: number | null = null;
    for (const row of rows) {
        const at_ms = atOf(row);
        const day: number | null = at_ms === null ? before : dayOf(at_ms);
        if (at_ms !== null && day !== before)
            out.push({ group: `day ${day}`, title: dayWords(at_ms, now_ms) });
        before = day;
        out.push(row);
    }
    return out;
}
