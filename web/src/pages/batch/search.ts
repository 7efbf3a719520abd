/* The address of the page as a value, and how to change a part of it. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { readSearch, type BatchSearch } from '../../logic/batch-filter.ts';

export type Change = { [name in keyof BatchSearch]?: BatchSearch[name] | undefined };

export function useBatchSearch(): [BatchSearch, (change: Change, isStep?: boolean) => void] {
    const raw = useSearch({ strict: false }) as Record<string, unknown>;
    const search = useMemo(() => readSearch(raw), [raw]);
    const navigate = useNavigate();
    const set = useCallback(
        (change: Change, isStep = false) =>
            void navigate({
                to: '.',
                search: ((before: Record<string, unknown>) => ({ ...before, ...change })) as never,
                replace: !isStep,
                resetScroll: false,
            }),
        [navigate],
    );
    return [search, set];
}

/** The address of a node of the batch that is shown; filters and view stay. */
export function useNodeHref(): (position: number) => string {
    const raw = useSearch({ strict: false }) as Record<string, unknown>;
    return useCallback(
        (position) => {
            const search = new URLSearchParams();
            for (const [name, value] of Object.entries<unknown>({ ...raw, node: position }))
                if (value !== undefined && value !== null && value !== '')
                    search.set(name, String(value));
            return `${window.location.pathname}?${search.toString()}`;
        },
        [raw],
    );
}
