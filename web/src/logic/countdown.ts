/*
 * Countdowns of locks and of budgets: what remains in words, how near the end is, and when the words change next, so that a page
 * with many countdowns wakes up as rarely as it can.
 */

export interface Countdown {
    words: string;
    /** soon: within five minutes, or the last tenth of its time when that is shorter. */
    nearness: 'calm' | 'soon' | 'over';
    /** The part of its time that is gone, 0 to 1. */
    gone: number;
    /** When the words are wrong; Infinity when they never will be. */
    next_ms: number;
}

const SOON_MS = 5 * 60_000;

/** From `start_ms` until `end_ms`, seen at `now_ms`. */
export function countdown(start_ms: number, end_ms: number, now_ms: number): Countdown {
    const left_ms = end_ms - now_ms;
    const whole_ms = Math.max(1, end_ms - start_ms);
    if (left_ms <= 0) return { words: 'expired', nearness: 'over', gone: 1, next_ms: Infinity };
    const soon_ms = Math.min(SOON_MS, whole_ms / 10);
    const step_ms = left_ms < 3_600_000 ? 1_000 : 60_000;
    return {
        words: leftWords(left_ms),
        nearness: left_ms <= soon_ms ? 'soon' : 'calm',
        gone: Math.min(1, Math.max(0, 1 - left_ms / whole_ms)),
        next_ms: now_ms + (left_ms % step_ms || step_ms),
    };
}

/** "0:09", "4:59", "3 h 20 min", "2 d 3 h"; the last second is a second, not zero. */
export function leftWords(left_ms: number): string {
    const s = Math.ceil(left_ms / 1_000);
    if (s < 3_600) return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
    const min = Math.ceil(left_ms / 60_000);
    const h = Math.floor(min / 60);
    if (h < 24) return min % 60 === 0 ? `${h} h` : `${h} h ${min % 60} min`;
    const rest = h % 24;
    return rest === 0 ? `${Math.floor(h / 24)} d` : `${Math.floor(h / 24)} d ${rest} h`;
}

/** "90", "90s", "15m", "2h", "3d" as seconds, or what is wrong with it. */
export function readSpan(
    text: string,
    min_s: number,
    max_s: number,
): { seconds: number } | { wrong: string } {
    const m = /^\s*(\d{1,9})\s*(s|m|min|h|d)?\s*$/i.exec(text);
    if (!m) return { wrong: 'Write it like 30m, 2h or 3d.' };
    const unit_s = { s: 1, m: 60, min: 60, h: 3_600, d: 86_400 }[(m[2] ?? 's').toLowerCase()]!;
    const seconds = Number(m[1]) * unit_s;
    if (seconds < min_s) return { wrong: `At least ${spanShort(min_s)}.` };
    if (seconds > max_s) return { wrong: `At most ${spanShort(max_s)}.` };
    return { seconds };
}

function spanShort(s: number): string {
    if (s % 86_400 === 0) return `${s / 86_400} d`;
    if (s % 3_600 === 0) return `${s / 3_600} h`;
    return s % 60 === 0 ? `${s / 60} min` : `${s} s`;
}
