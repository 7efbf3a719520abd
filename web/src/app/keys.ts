/* Keys for those who do not use a mouse. One list of what is bound now, which `?` shows. */
import { useEffect, useRef, useSyncExternalStore } from 'react';

export interface Binding {
    /** One key or two in a row: "j", "g d", "?". */
    keys: string;
    doc: string;
    run: () => void;
}

const second_ms = 1200;
const storage = 'signalbox-keys';
let bindings: readonly Binding[] = [];
let isOn = localStorage.getItem(storage) !== 'off';
const listeners = new Set<() => void>();

function changed(): void {
    for (const listener of listeners) listener();
}
function subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
}

/** Bound while the component is there; the newest of the same keys wins. */
export function useKeys(wanted: readonly Binding[]): void {
    const current = useRef(wanted);
    current.current = wanted;
    const shape = wanted.map((binding) => `${binding.keys}\n${binding.doc}`).join('\n\n');
    useEffect(() => {
        const mine = current.current.map((binding, i) => ({
            keys: binding.keys,
            doc: binding.doc,
            run: () => current.current[i]?.run(),
        }));
        bindings = [...mine, ...bindings];
        changed();
        return () => {
            bindings = bindings.filter((binding) => !mine.includes(binding));
            changed();
        };
    }, [shape]);
}

export function useBindings(): readonly Binding[] {
    return useSyncExternalStore(subscribe, () => bindings);
}

/** WCAG 2.1.4: keys without Ctrl can be turned off. */
export function useKeysSwitch(): [boolean, (on: boolean) => void] {
    const on = useSyncExternalStore(subscribe, () => isOn);
    return [
        on,
        (wish) => {
            isOn = wish;
            localStorage.setItem(storage, wish ? 'on' : 'off');
            changed();
        },
    ];
}

function isTyping(target: EventTarget | null): boolean {
    return (
        target instanceof HTMLElement &&
        (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
    );
}

let first = '';
let firstAt = 0;

function take(event: KeyboardEvent): void {
    if (!isOn || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector('[role="dialog"],[role="alertdialog"]'))
        return;
    const now = performance.now();
    const pair = first !== '' && now - firstAt < second_ms ? `${first} ${event.key}` : '';
    first = '';
    const found =
        bindings.find((binding) => binding.keys === pair) ??
        bindings.find((binding) => binding.keys === event.key);
    if (found) {
        event.preventDefault();
        found.run();
    } else if (bindings.some((binding) => binding.keys.startsWith(`${event.key} `))) {
        first = event.key;
        firstAt = now;
    }
}

window.addEventListener('keydown', take);
