/* Times in words. All of them in milliseconds. */
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** "4.2 s", "1 min 20 s", "2 h 5 min", "3 d 4 h". */
export function durationWords(ms: number): string {
    const span = Math.max(0, ms);
    if (span < 10 * second) return `${(span / second).toFixed(1).replace(/\.0$/, '')} s`;
    if (span < minute) return `${Math.floor(span / second)} s`;
    if (span < hour) return two(span, minute, 'min', second, 's');
    if (span < day) return two(span, hour, 'h', minute, 'min');
    return two(span, day, 'd', hour, 'h');
}

function two(span: number, big: number, bigWord: string, small: number, smallWord: string): string {
    const bigs = Math.floor(span / big);
    const smalls = Math.floor((span % big) / small);
    return smalls === 0 ? `${bigs} ${bigWord}` : `${bigs} ${bigWord} ${smalls} ${smallWord}`;
}

/** One unit only: "now", "12 s ago", "3 min ago", "in 2 h", "5 d ago", and the day when it is long past. */
export function agoWords(at: number, now: number): string {
    const span = Math.abs(now - at);
    if (span < 5 * second) return 'now';
    const word =
        span < minute
            ? `${Math.floor(span / second)} s`
            : span < hour
              ? `${Math.floor(span / minute)} min`
              : span < day
                ? `${Math.floor(span / hour)} h`
                : span < 30 * day
                  ? `${Math.floor(span / day)} d`
                  : '';
    if (word === '') return dayWords(at);
    return at > now ? `in ${word}` : `${word} ago`;
}

export function dayWords(at: number): string {
    return new Date(at).toISOString().slice(0, 10);
}

/** "2026-11-21 20:04:05 UTC" */
export function exactWords(at: number): string {
    return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** How long such words stay right: the step of the clock that a page needs. */
export function stepFor(at: number, now: number): number {
    return Math.abs(now - at) < minute ? second : Math.abs(now - at) < hour ? 10 * second : minute;
}
