/* A link to a page of ours: loads no document, opens a new tab when asked to, and warms up what it points at. */
import { useRouter } from '@tanstack/react-router';
import { useCallback, type AnchorHTMLAttributes, type MouseEvent } from 'react';

/** To an address of app/paths.ts. */
export function useGo(): (to: string, replace?: boolean) => void {
    const router = useRouter();
    return useCallback(
        (to, replace = false) => {
            if (replace) router.history.replace(to);
            else router.history.push(to);
        },
        [router],
    );
}

export interface GoProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'> {
    to: string;
    /** Looks like the text round it (a row of a table). */
    isPlain?: boolean;
}

export function Go({ to, isPlain, onClick, className, ...rest }: GoProps) {
    const go = useGo();
    const take = (event: MouseEvent<HTMLAnchorElement>) => {
        onClick?.(event);
        const isOurs =
            event.button === 0 &&
            !event.metaKey &&
            !event.ctrlKey &&
            !event.shiftKey &&
            !event.altKey;
        if (event.defaultPrevented || !isOurs || rest.target === '_blank') return;
        event.preventDefault();
        go(to);
    };
    return (
        <a
            {...rest}
            href={to}
            className={className ?? 'go'}
            data-plain={isPlain ?? false}
            onClick={take}
        />
    );
}

/** To another host: said so, opened beside, and told nothing about us. */
export function Out({
    href,
    children,
    ...rest
}: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
    if (!/^https?:\/\//i.test(href)) return <span>{children}</span>;
    return (
        <a
            {...rest}
            href={href}
            className="go"
            data-plain="false"
            target="_blank"
            rel="noreferrer noopener"
        >
            {children}
            <span aria-hidden> ↗</span>
        </a>
    );
}
