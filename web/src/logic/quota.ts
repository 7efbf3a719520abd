/*
 * The quota of an installation as parts of a bar: what is spent, what batches have claimed and not spent, what is kept back, and what is
 * free. The server's figures are of slightly different moments; the parts always add up to the whole.
 */
export interface QuotaFigures {
    limit: number | null;
    remaining: number | null;
    reserved: number | null;
    claimed: number;
}
export interface QuotaPart {
    name: 'spent' | 'claimed' | 'reserved' | 'free';
    calls: number;
}

export function quotaParts(figures: QuotaFigures): QuotaPart[] | null {
    const { limit, remaining } = figures;
    if (limit === null || remaining === null || limit <= 0) return null;
    let left = Math.min(limit, Math.max(0, remaining));
    const take = (wish: number): number => {
        const got = Math.min(left, Math.max(0, wish));
        left -= got;
        return got;
    };
    const spent = limit - left;
    const claimed = take(figures.claimed);
    const reserved = take(figures.reserved ?? 0);
    return [
        { name: 'spent', calls: spent },
        { name: 'claimed', calls: claimed },
        { name: 'reserved', calls: reserved },
        { name: 'free', calls: left },
    ];
}
