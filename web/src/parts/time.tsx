import { useSyncExternalStore } from 'react';
import { agoWords, durationWords, exactWords, stepFor } from '../logic/time.ts';

/* One clock for all; it stands still while nobody looks. */
const listeners = new Set<() => void>();
let timer: number | undefined;
let nowSecond = Math.floor(Date.now() / 1000);

function tick(): void {
    if (document.hidden) return;
    nowSecond = Math.floor(Date.now() / 1000);
    for (const listener of listeners) listener();
}
function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    timer ??= window.setInterval(tick, 1000);
    return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        window.clearInterval(timer);
        timer = undefined;
    };
}
document.addEventListener('visibilitychange', tick);

/** The time of now, renewed each `step_ms`. */
export function useNow(step_ms = 1000): number {
    const step = Math.max(1, Math.round(step_ms / 1000));
    return useSyncExternalStore(subscribe, () => Math.floor(nowSecond / step) * step * 1000);
}

/** RFC 3339 as the API says it, or milliseconds. */
export type When = string | number;
export function msOf(when: When): number {
    return typeof when === 'number' ? when : Date.parse(when);
}

/** Relative, the exact on hover and for machines. */
export function Ago(props: { at: When | null | undefined; none?: string }) {
    if (props.at === null || props.at === undefined)
        return <span className="quiet">{props.none ?? '–'}</span>;
    return <AgoAt at={msOf(props.at)} />;
}

function AgoAt(props: { at: number }) {
    useNow(stepFor(props.at, Date.now()));
    const exact = exactWords(props.at);
    return (
        <time dateTime={new Date(props.at).toISOString()} title={exact}>
            {agoWords(props.at, Date.now())}
        </time>
    );
}

/** How long something took, or takes while it has no end. */
export function Took(props: { from: When | null | undefined; to?: When | null; none?: string }) {
    if (props.from === null || props.from === undefined)
        return <span className="quiet">{props.none ?? '–'}</span>;
    if (props.to === null || props.to === undefined) return <Running from={msOf(props.from)} />;
    return <Duration ms={msOf(props.to) - msOf(props.from)} />;
}

function Running(props: { from: number }) {
    const now = useNow();
    return <Duration ms={Math.floor((now - props.from) / 1000) * 1000} />;
}

export function Duration(props: { ms: number | null | undefined; none?: string }) {
    if (props.ms === null || props.ms === undefined)
        return <span className="quiet">{props.none ?? '–'}</span>;
    return <span>{durationWords(props.ms)}</span>;
}
