import { useMemo } from 'react';
import { askFor, type FilterField, type Filters } from '../logic/list-filters.ts';

/**
 * What is asked of the server for these filters. "Last 24 hours" begins where it began when it was chosen: a list that asked anew each
 * minute would not stay in its place.
 */
export function useAsked(fields: readonly FilterField[], filters: Filters): Record<string, string> {
    const chosen = JSON.stringify(filters);
    return useMemo(
        () => askFor(fields, JSON.parse(chosen) as Filters, Date.now()),
        [fields, chosen],
    );
}
