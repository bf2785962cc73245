export function Logo() {
  return (
    <span className="logo">
      <img src="/favicon.svg" width="28" height="28" alt="" />
      Sluice
    </span>
  )
}
