/* What the page at hand can do, for the command palette (Ctrl-K). */
import { useEffect, useRef, useSyncExternalStore } from 'react';

export interface Act {
    id: string;
    label: string;
    description?: string;
    run: () => void;
}

let acts: readonly Act[] = [];
const listeners = new Set<() => void>();
function set(next: readonly Act[]): void {
    acts = next;
    for (const listener of listeners) listener();
}

/** In the palette while the component is there. */
export function useActs(wanted: readonly Act[]): void {
    const current = useRef(wanted);
    current.current = wanted;
    const shape = wanted
        .map((act) => `${act.id}\n${act.label}\n${act.description ?? ''}`)
        .join('\n\n');
    useEffect(() => {
        const mine = current.current.map((act, i) => ({
            ...act,
            run: () => current.current[i]?.run(),
        }));
        set([...mine, ...acts]);
        return () => set(acts.filter((act) => !mine.includes(act)));
    }, [shape]);
}

export function useAllActs(): readonly Act[] {
    return useSyncExternalStore(
        (listener) => {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
        () => acts,
    );
}
