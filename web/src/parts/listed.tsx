/* A list is not to be had, not there yet, or empty: the page says so in its place. */
import type { ReactNode } from 'react';
import { Problem } from '../app/problem.tsx';
import { Waiting } from './page.tsx';

interface ListedProps {
    list: {
        items: readonly unknown[];
        isPending: boolean;
        hasMore: boolean;
        error: Error | null;
        again: () => void;
    };
    /** Said when nothing is there. */
    none: ReactNode;
    /** The list. */
    children: ReactNode;
}

export function Listed({ list, none, children }: ListedProps) {
    if (list.error) return <Problem error={list.error} again={list.again} />;
    if (list.isPending) return <Waiting />;
    // A page without rows is not the end when it names the next one.
    if (list.items.length === 0 && !list.hasMore) return none;
    return children;
}
