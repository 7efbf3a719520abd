import { Empty, Page } from '../../parts/page.tsx';

export default function Tokens() {
    return (
        <Page title="Tokens">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
