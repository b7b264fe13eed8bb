# Numbers from R packages for tests/stats/test_outside.py, one case a line: word, then values or lists joined by commas.
# python -m tests.stats.make_outside runs it (Debian: r-cran-rpact r-cran-survey r-cran-sandwich r-cran-estimatr r-cran-metafor
# r-cran-pwr) and hands over the futility bounds, whose consequences rpact computes, on the standard input.
suppressMessages({library(rpact); library(survey); library(sandwich); library(estimatr); library(metafor); library(pwr)})
options(digits=15)
f <- function(x) paste(format(as.numeric(x), digits=14, trim=TRUE), collapse=",")
say <- function(word, ...) cat(word, paste(sapply(list(...), function(x) if (is.character(x)) x else f(x))), "\n")
cat("version", R.version.string, paste(sapply(c("rpact","survey","sandwich","estimatr","metafor","pwr"),
  function(p) paste0(p, "-", packageVersion(p))), collapse=" "), "\n")
set.seed(20261201)

# what a futility bound costs, of plans in which it follows from the chance that is left
for (line in readLines(file("stdin"))) {
  p <- strsplit(line, " ")[[1]]; v <- function(i) as.numeric(strsplit(p[i], ",")[[1]])
  d <- getDesignGroupSequential(typeOfDesign="asUser", userAlphaSpending=v(5), informationRates=v(2), alpha=tail(v(5), 1), sided=1,
    futilityBounds=v(3), bindingFutility=FALSE)
  for (drift in c(v(4), 0)) {
    r <- getPowerAndAverageSampleNumber(d, theta=drift, nMax=1)
    say("GIVEUP", p[1], v(2), v(3), drift, d$criticalValues, r$overallReject, r$overallFutility, r$averageSampleNumber)
  }
}
# spending as a power of time (Kim and DeMets), two-sided, as the sample ratio spends
for (g in c(1, 2, 3)) for (info in list(c(.5,1), c(.2,.4,.6,.8,1), c(.1,.3,.35,.9,1), seq(.125,1,.125))) {
  d <- getDesignGroupSequential(typeOfDesign="asKD", gammaA=g, informationRates=info, alpha=0.01, sided=2)
  say("POWEROFTIME", g, info, d$criticalValues)
}
# chance of a false alarm from now on
for (info in list(c(.5,1), c(.3,.6,1), c(.25,.5,.75,1))) {
  d <- getDesignGroupSequential(typeOfDesign="asOF", informationRates=info, alpha=0.025)
  n <- diff(c(0, info*400))
  for (z in c(-.4, .9, 2.1)) {
    s <- getStageResults(d, getDataset(n=n[1], means=z/sqrt(n[1]), stDevs=1), normalApproximation=TRUE, stage=1)
    r <- getConditionalRejectionProbabilities(s)
    say("CONDITIONALERROR", info, z, d$criticalValues, r[1])
  }
}
# sample sizes of means
for (a in c(.05, .01)) for (delta in c(.1, .25)) for (normal in c(TRUE, FALSE)) {
  r <- getSampleSizeMeans(alternative=delta, stDev=1, alpha=a, beta=.2, sided=2, normalApproximation=normal)
  say("SIZE", a, delta, if (normal) 1 else 0, r$nFixed)
}
for (n in list(c(30,30), c(200,50), c(15,80), c(500,500))) for (d in c(.2, .5)) {
  v <- 1/n; df <- sum(v)^2/sum(v^2/(n-1)); q <- qt(.975, df); shift <- d/sqrt(sum(v))
  p <- if (n[1] == n[2]) pwr.t.test(n=n[1], d=d, sig.level=.05)$power else pt(-q, df, shift) + pt(q, df, shift, lower.tail=FALSE)
  say("POWERT", n, d, p)
}
# Welch: difference in means with its interval, and shifted one-sided tests
for (i in 1:6) {
  n <- c(12, 40, 25, 200, 60, 9)[i]; m <- c(30, 8, 25, 40, 61, 9)[i]
  y <- round(rexp(n, 1/10), 2); x <- round(rexp(m, 1/9) + c(0,3,-1)[i %% 3 + 1], 2)
  frame <- data.frame(v=c(y, x), z=rep(0:1, c(n, m)))
  r <- difference_in_means(v ~ z, data=frame)
  say("WELCH", y, x, coef(r), r$std.error, r$df, r$p.value, r$conf.low, r$conf.high)
  say("MARGIN", y, x, 1.5, t.test(x, y, mu=-1.5, alternative="greater")$p.value)
}
# ratios of sums: linearised error of each variant
for (i in 1:6) {
  n <- c(10, 25, 60, 200, 500, 40)[i]
  den <- rpois(n, 4) + 1; num <- round(den * rgamma(n, 2, 1/3), 2)
  r <- svyratio(~num, ~den, svydesign(ids=~1, weights=~1, data=data.frame(num, den)))
  say("RATIO", num, den, coef(r), SE(r))
}
# users inside companies: cluster-robust error of a mean
for (i in 1:6) {
  k <- c(5, 8, 15, 30, 12, 60)[i]; size <- c(3, 1, 0, 0, 6, 2)[i] + rpois(k, c(0, 4, 9, 3, 0, 5)[i]) + 1
  of <- rep(seq_len(k), size); y <- round(5 + rnorm(k)[of] + rnorm(length(of)), 3)
  v <- vcovCL(lm(y ~ 1), cluster=of, type="HC0", cadjust=FALSE)
  say("CLUSTERS", size, tapply(y, of, sum), mean(y), sqrt(v[1,1]))
}
# variance between experiments, and whether slices differ
for (i in 1:8) {
  k <- c(3, 4, 6, 10, 20, 40, 5, 12)[i]; se <- round(runif(k, .01, .05), 4)
  y <- round(rnorm(k, .02, c(0, .02, .05, .1)[i %% 4 + 1]) + rnorm(k)*se, 5)
  say("BETWEEN", y, se, rma(yi=y, sei=se, method="PM", control=list(tol=1e-12, maxiter=1000))$tau2)
  say("SLICES", y, se, rma(yi=y, sei=se, method="FE")$QEp)
}
# corrections
for (i in 1:3) {
  p <- round(c(runif(5), rbeta(4, .3, 4)), 6)
  for (m in c("holm", "BH", "bonferroni")) say("ADJUST", m, p, p.adjust(p, m))
}
# sample ratio
for (x in list(c(2, 9), c(0, 8), c(520, 480), c(10300, 9700), c(33, 27, 40), c(1, 5))) {
  w <- if (length(x) == 2 && x[1] == 1) c(.4, .6) else rep(1/length(x), length(x))
  p <- if (length(x) == 2 && min(w*sum(x)) < 5) binom.test(x[1], sum(x), w[1])$p.value else chisq.test(x, p=w)$p.value
  say("SPLIT", x, w, p)
}
# chance that one Beta posterior exceeds another, by R's adaptive quadrature
for (x in list(c(20,100,30,100), c(3,50,1,40), c(500,5000,560,5000), c(9,10,7,10), c(1,400,6,420))) {
  a <- x[1]; n <- x[2]; b <- x[3]; m <- x[4]
  for (prior in c(1, 2.5)) {
    r <- integrate(function(t) dbeta(t, b+prior, m-b+prior)*pbeta(t, a+prior, n-a+prior), 0, 1, rel.tol=1e-11, subdivisions=2000)
    say("BEATS", c(a+prior, n-a+prior, b+prior, m-b+prior), r$value)
  }
}
